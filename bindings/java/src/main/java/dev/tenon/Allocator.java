package dev.tenon;

import dev.tenon.internal.Callbacks;
import dev.tenon.internal.Raw;

/** Where the large memory of engines comes from. Immutable; any thread. It lives on in what uses it. */
public final class Allocator extends NativeObject {
  /** Gives memory and takes it back: on any thread, perhaps on several at once. It must not call the library. */
  public interface Source {
    /**
     * The address of {@code size} &gt; 0 bytes at a multiple of {@code alignment}, a power of two; 0 for lack of memory. What
     * it throws comes out of the call that needed the memory.
     */
    long allocate(long size, long alignment) throws Exception;

    /** Takes memory back, with the numbers it was asked for. Must not throw. */
    void deallocate(long memory, long size, long alignment);
  }

  /** An allocator over a source of memory. */
  public Allocator(Source source) {
    super(made(out -> Raw.tn_allocator_create(table(source), out)), Raw::tn_allocator_destroy);
  }

  private static Callbacks.Allocator table(Source source) {
    needed(source, "source");
    return new Callbacks.Allocator() {
      @Override
      public long allocate(long size, long alignment) throws Exception {
        return source.allocate(size, alignment);
      }

      @Override
      public void deallocate(long memory, long size, long alignment) {
        source.deallocate(memory, size, alignment);
      }
    };
  }
}
