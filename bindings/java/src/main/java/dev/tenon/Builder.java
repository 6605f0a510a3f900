package dev.tenon;

import dev.tenon.internal.Raw;

/** Makes networks and plans. Internally synchronised: any thread; builds may run beside each other. */
public final class Builder extends NativeObject {
  /** Without a logger, with the library's limits. */
  public Builder() {
    super(made(Raw::tn_builder_create), Raw::tn_builder_destroy);
  }

  /** Where messages of imports and builds go, from the next one on; null: nowhere. */
  public Builder setLogger(Logger logger) {
    callWith(logger, Raw::tn_builder_set_logger);
    return this;
  }

  /** For models that are imported and plans that are built; greater than 0, in the unit that the limit's name says. */
  public Builder setLimit(Limit limit, long value) {
    int number = needed(limit, "limit").number();
    call(handle -> Raw.tn_builder_set_limit(handle, number, value));
    return this;
  }

  /** A limit. */
  public long limit(Limit limit) {
    int number = needed(limit, "limit").number();
    return longOf((handle, out) -> Raw.tn_builder_get_limit(handle, number, out));
  }

  /**
   * A plan for this machine. It measures kernels, so it takes a while and should have the machine for itself.
   *
   * @throws TenonException INVALID_ARGUMENT (a profile that does not fit the network), INVALID_MODEL, UNSUPPORTED,
   *     LIMIT_EXCEEDED, OUT_OF_MEMORY; what the progress callback threw comes out as itself
   */
  public Blob build(Network network, BuilderConfig config) {
    return build(network, config, null);
  }

  /** As {@link #build}, with the build report: every node's candidates with their times or why they were refused. */
  public Built buildWithReport(Network network, BuilderConfig config) {
    long[] report = new long[1];
    Blob plan = build(network, config, report);
    try (Blob document = new Blob(report[0])) {
      return new Built(plan, document.text());
    }
  }

  private Blob build(Network network, BuilderConfig config, long[] report) {
    return using(network, "network", of -> using(config, "config", how -> new Blob(longOf(
        (handle, plan) -> Raw.tn_builder_build(handle, of, how, plan, report)))));
  }

  /**
   * A plan and its report.
   *
   * @param plan the plan
   * @param report a JSON object
   */
  public record Built(Blob plan, String report) {}
}
