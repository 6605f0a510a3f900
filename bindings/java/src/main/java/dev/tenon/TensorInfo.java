package dev.tenon;

import java.util.List;

/**
 * An input or output of a network or engine.
 *
 * @param name its name
 * @param mode whether it is an input
 * @param dataType type of its elements; NONE where only a build finds it out
 * @param shape its dims, -1 for those that depend on the shapes of the inputs; null where only a build finds it out
 * @param dimNames of a network: names of the dynamic dims, "" for others; dims of one name are equal when it runs. Of an
 *     engine: empty
 * @param format of an engine: how the elements must lie in memory; of a network LINEAR
 * @param location of an engine: in which memory the buffer must lie; of a network HOST
 */
public record TensorInfo(String name, IoMode mode, DataType dataType, List<Long> shape, List<String> dimNames,
    TensorFormat format, TensorLocation location) {
  @Override
  public String toString() {
    return name + ": " + dataType.shortName() + (shape == null ? "[?]" : shape.toString().replace("-1", "?"));
  }
}
