package dev.tenon;

import dev.tenon.internal.Raw;

/** Settings of engines that are made afterwards; each setter gives the object back. Internally synchronised; any thread. */
public final class Runtime extends NativeObject {
  /** Without a logger, with the process's heap, the plan's thread count and the library's limits. */
  public Runtime() {
    super(made(Raw::tn_runtime_create), Raw::tn_runtime_destroy);
  }

  /** Where the messages of engines go; null: nowhere. */
  public Runtime setLogger(Logger logger) {
    callWith(logger, Raw::tn_runtime_set_logger);
    return this;
  }

  /** Where the memory of engines comes from; null: the process's heap. */
  public Runtime setAllocator(Allocator allocator) {
    callWith(allocator, Raw::tn_runtime_set_allocator);
    return this;
  }

  /**
   * Threads that work for one engine: 1 … 1024, or 0 for what the plan was tuned for. With 1 every call works on its caller's
   * thread, and contexts run beside each other.
   */
  public Runtime setThreadCount(int count) {
    call(handle -> Raw.tn_runtime_set_thread_count(handle, count));
    return this;
  }

  /** Threads that work for one engine; 0 stands for what the plan was tuned for. */
  public int threadCount() {
    return intOf(Raw::tn_runtime_get_thread_count);
  }

  /** For plans that are loaded; greater than 0, in the unit that the limit's name says. */
  public Runtime setLimit(Limit limit, long value) {
    int number = needed(limit, "limit").number();
    call(handle -> Raw.tn_runtime_set_limit(handle, number, value));
    return this;
  }

  /** A limit. */
  public long limit(Limit limit) {
    int number = needed(limit, "limit").number();
    return longOf((handle, out) -> Raw.tn_runtime_get_limit(handle, number, out));
  }
}
