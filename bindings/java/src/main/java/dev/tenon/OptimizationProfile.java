package dev.tenon;

import dev.tenon.internal.Raw;

/**
 * For which shapes of the inputs a plan is made: of each the smallest, the likeliest and the largest. Internally synchronised;
 * any thread.
 */
public final class OptimizationProfile extends NativeObject {
  /** Without shapes. */
  public OptimizationProfile() {
    super(made(Raw::tn_optimization_profile_create), Raw::tn_optimization_profile_destroy);
  }

  /** All three shapes of an input. Whether they fit each other is checked when the profile is added to a configuration. */
  public OptimizationProfile setShapes(String input, long[] min, long[] opt, long[] max) {
    needed(min, "min");
    needed(opt, "opt");
    needed(max, "max");
    return setShape(input, ShapeSelector.MIN, min).setShape(input, ShapeSelector.OPT, opt)
        .setShape(input, ShapeSelector.MAX, max);
  }

  /** One of the shapes of an input: dims ≥ 0. */
  public OptimizationProfile setShape(String input, ShapeSelector selector, long... dims) {
    needed(input, "input");
    needed(dims, "dims");
    int number = needed(selector, "selector").number();
    call(handle -> Raw.tn_optimization_profile_set_shape(handle, input, number, dims));
    return this;
  }

  /**
   * One of the shapes that were set.
   *
   * @throws TenonException NOT_FOUND (not set)
   */
  public long[] shape(String input, ShapeSelector selector) {
    needed(input, "input");
    int number = needed(selector, "selector").number();
    return dimsOf((handle, dims, size) -> Raw.tn_optimization_profile_get_shape(handle, input, number, dims, size));
  }
}
