package dev.tenon;

import java.util.List;

/**
 * A weight that can be named.
 *
 * @param name its name in the ONNX model
 * @param dataType type of its elements
 * @param shape its dims
 * @param pinReason why it takes only the value that it has; empty if it can be changed
 */
public record WeightInfo(String name, DataType dataType, List<Long> shape, String pinReason) {
  /** Whether it takes only the value that it has. */
  public boolean isPinned() {
    return !pinReason.isEmpty();
  }
}
