package dev.tenon;

import dev.tenon.internal.Callbacks;
import dev.tenon.internal.Raw;

/**
 * How a plan is to be built; each setter gives the object back. A build takes what it needs when it starts. Internally
 * synchronised; any thread.
 */
public final class BuilderConfig extends NativeObject {
  /** The CPU, all its threads, no profile, a timing cache of its own, all libraries. */
  public BuilderConfig() {
    super(made(Raw::tn_builder_config_create), Raw::tn_builder_config_destroy);
  }

  /** The device that the plan is for. */
  public BuilderConfig setDevice(Device device) {
    callWith(needed(device, "device"), Raw::tn_builder_config_set_device);
    return this;
  }

  /** The device that the plan is for, by name: "cpu", "cuda". */
  public BuilderConfig setDevice(String name) {
    try (Device device = new Device(name)) {
      return setDevice(device);
    }
  }

  /** Threads that the plan is tuned for: 1 … 1024, or 0 for as many as the process may use. */
  public BuilderConfig setThreadCount(int count) {
    call(handle -> Raw.tn_builder_config_set_thread_count(handle, count));
    return this;
  }

  /** Threads that the plan is tuned for; 0 stands for as many as the process may use. */
  public int threadCount() {
    return intOf(Raw::tn_builder_config_get_thread_count);
  }

  /**
   * Adds a copy of a profile. Without any, every dynamic dim becomes 1.
   *
   * @return its number in the plan
   */
  public int addProfile(OptimizationProfile profile) {
    return using(profile, "profile", other -> intOf((handle, out) -> Raw.tn_builder_config_add_profile(handle, other, out)));
  }

  /** Adds a profile of one input: its smallest, likeliest and largest shape. */
  public BuilderConfig withProfile(String input, long[] min, long[] opt, long[] max) {
    try (OptimizationProfile profile = new OptimizationProfile()) {
      addProfile(profile.setShapes(input, min, opt, max));
    }
    return this;
  }

  /** Number of profiles that were added. */
  public int profileCount() {
    return intOf(Raw::tn_builder_config_get_profile_count);
  }

  /** Shared, not copied; null: a new one for each build. */
  public BuilderConfig setTimingCache(TimingCache cache) {
    callWith(cache, Raw::tn_builder_config_set_timing_cache);
    return this;
  }

  /** Whether kernels of oneDNN may be chosen, where the library is there and is faster. */
  public BuilderConfig setOnednnEnabled(boolean enabled) {
    call(handle -> Raw.tn_builder_config_set_onednn_enabled(handle, enabled ? 1 : 0));
    return this;
  }

  /** Whether kernels of oneDNN may be chosen. */
  public boolean isOnednnEnabled() {
    return intOf(Raw::tn_builder_config_get_onednn_enabled) != 0;
  }

  /** 0 … 5: how many variants of each kernel are timed. */
  public BuilderConfig setOptimizationLevel(int level) {
    call(handle -> Raw.tn_builder_config_set_optimization_level(handle, level));
    return this;
  }

  /** How many variants of each kernel are timed. */
  public int optimizationLevel() {
    return intOf(Raw::tn_builder_config_get_optimization_level);
  }

  /** Seconds after which a build stops timing, up to 1e6; 0 for no deadline. */
  public BuilderConfig setDeadline(double seconds) {
    call(handle -> Raw.tn_builder_config_set_deadline(handle, seconds));
    return this;
  }

  /** Seconds after which a build stops timing; 0 for none. */
  public double deadline() {
    return doubleOf(Raw::tn_builder_config_get_deadline);
  }

  /** Whether FP32 work may be done in a precision. On the CPU this version computes in FP32 whatever is set. */
  public BuilderConfig setPrecisionAllowed(Precision precision, boolean allowed) {
    int number = needed(precision, "precision").number();
    call(handle -> Raw.tn_builder_config_set_precision_allowed(handle, number, allowed ? 1 : 0));
    return this;
  }

  /** Whether FP32 work may be done in a precision. */
  public boolean isPrecisionAllowed(Precision precision) {
    int number = needed(precision, "precision").number();
    return intOf((handle, out) -> Raw.tn_builder_config_get_precision_allowed(handle, number, out)) != 0;
  }

  /** An experimental option; "" takes it back. The header builder_config.h lists them. */
  public BuilderConfig setOption(String key, String value) {
    needed(key, "key");
    needed(value, "value");
    call(handle -> Raw.tn_builder_config_set_option(handle, key, value));
    return this;
  }

  /** The value of an experimental option; "" if it was not set. */
  public String option(String key) {
    needed(key, "key");
    return textOf((handle, buffer, size) -> Raw.tn_builder_config_get_option(handle, key, buffer, size));
  }

  /**
   * Who hears of a build's progress and may end it; null: nobody. It is kept until no build uses it: if it refers to this
   * object, close this object.
   */
  public BuilderConfig setProgress(Progress progress) {
    Callbacks.Progress table = progress == null ? null : progress::update;
    call(handle -> Raw.tn_builder_config_set_progress(handle, table));
    return this;
  }
}
