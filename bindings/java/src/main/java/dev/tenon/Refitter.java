package dev.tenon;

import dev.tenon.internal.Raw;
import java.util.ArrayList;
import java.util.List;

/**
 * Collects new weights for an engine, which take effect together, or not at all, with {@link #apply()}. Internally
 * synchronised: any thread; contexts may run meanwhile, each run with the old weights or the new.
 */
public final class Refitter extends NativeObject {
  /** Of an engine, which the refitter keeps alive. */
  public Refitter(Engine engine) {
    super(madeOf(engine, "engine", Raw::tn_refitter_create), Raw::tn_refitter_destroy);
  }

  /** Every weight that can be named, pinned ones included. */
  public List<WeightInfo> weights() {
    List<WeightInfo> weights = new ArrayList<>();
    long count = longOf(Raw::tn_refitter_get_weight_count);
    for (long index = 0; index < count; ++index) {
      weights.add(weight(index));
    }
    return List.copyOf(weights);
  }

  /**
   * A weight by name.
   *
   * @throws TenonException NOT_FOUND
   */
  public WeightInfo weight(String name) {
    needed(name, "name");
    return weight(longOf((handle, out) -> Raw.tn_refitter_find_weight(handle, name, out)));
  }

  private WeightInfo weight(long index) {
    return new WeightInfo(
        textOf((handle, buffer, size) -> Raw.tn_refitter_get_weight_name(handle, index, buffer, size)),
        DataType.of(intOf((handle, out) -> Raw.tn_refitter_get_weight_data_type(handle, index, out))),
        Tensor.list(dimsOf((handle, dims, size) -> Raw.tn_refitter_get_weight_shape(handle, index, dims, size))),
        textOf((handle, buffer, size) -> Raw.tn_refitter_get_pin_reason(handle, index, buffer, size)));
  }

  /** The new value of a weight, of its type and shape; copied. Nothing happens to the engine yet. */
  public Refitter setWeight(String name, Tensor value) {
    needed(name, "name");
    needed(value, "value");
    call(handle -> Raw.tn_refitter_set_weight(handle, name, value.dataType().number(), value.shape(), value.data()));
    return this;
  }

  /**
   * The values of all weights that another network has under the same names; it is kept until they are applied.
   *
   * @return how many those are
   */
  public long setWeights(Network network) {
    return using(network, "network", other -> longOf((handle, out) -> Raw.tn_refitter_set_weights_from_network(handle, other, out)));
  }

  /** Names of weights that must be set besides those that are. */
  public List<String> missing() {
    List<String> names = new ArrayList<>();
    long count = longOf(Raw::tn_refitter_get_missing_count);
    for (long i = 0; i < count; ++i) {
      long index = i;
      names.add(textOf((handle, buffer, size) -> Raw.tn_refitter_get_missing_name(handle, index, buffer, size)));
    }
    return List.copyOf(names);
  }

  /** Gives the engine the new values. After a failure it is as it was, and the values are still set. */
  public void apply() {
    call(Raw::tn_refitter_apply);
  }
}
