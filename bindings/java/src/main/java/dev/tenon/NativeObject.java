package dev.tenon;

import dev.tenon.internal.Raw;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import java.util.function.LongFunction;

/**
 * An object of the library. It ends with {@link #close()}, or, as a net, when it is collected; in any order, on any thread, any
 * number of times. What still needs the thing behind it keeps that alive: a context its engine, an engine its allocator. A
 * closed object answers every call with {@link ErrorCode#INVALID_HANDLE}.
 */
public abstract class NativeObject implements AutoCloseable {
  static final Cleaner CLEANER = Cleaner.create();

  /** The handle, and what must not be collected before it is destroyed. */
  private static final class Owned implements Runnable {
    final AtomicLong handle;
    final LongConsumer destroy;
    final Object kept;

    Owned(long handle, LongConsumer destroy, Object kept) {
      this.handle = new AtomicLong(handle);
      this.destroy = destroy;
      this.kept = kept;
    }

    @Override
    public void run() {
      long last = handle.getAndSet(0);
      if (last != 0) {
        destroy.accept(last);
      }
      Reference.reachabilityFence(kept);
    }
  }

  private final Owned owned;
  private final Cleaner.Cleanable cleanable;

  NativeObject(long handle, LongConsumer destroy) {
    this(handle, destroy, null);
  }

  NativeObject(long handle, LongConsumer destroy, Object kept) {
    owned = new Owned(handle, destroy, kept);
    cleanable = CLEANER.register(this, owned);
  }

  /** Ends the object. A second call does nothing. */
  @Override
  public void close() {
    cleanable.clean();
  }

  /** Whether the object was closed. */
  public final boolean isClosed() {
    return owned.handle.get() == 0;
  }

  final long handle() {
    long handle = owned.handle.get();
    if (handle == 0) {
      throw new InvalidHandleException("the " + getClass().getSimpleName() + " is closed");
    }
    return handle;
  }

  // --- calls: each keeps the object reachable until C has returned -------------------------------------------------------

  interface Call {
    long on(long handle);
  }

  interface CallWith {
    long on(long handle, long other);
  }

  interface Out<T> {
    long on(long handle, T out);
  }

  /** An argument that must not be null. */
  static <T> T needed(T argument, String name) {
    return Objects.requireNonNull(argument, name);
  }

  final void call(Call call) {
    try {
      check(call.on(handle()));
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** With another object, whose handle is 0 if it is null. */
  final void callWith(NativeObject other, CallWith call) {
    try {
      check(call.on(handle(), other == null ? 0 : other.handle()));
    } finally {
      Reference.reachabilityFence(other);
      Reference.reachabilityFence(this);
    }
  }

  final int intOf(Out<int[]> get) {
    int[] out = new int[1];
    call(handle -> get.on(handle, out));
    return out[0];
  }

  final long longOf(Out<long[]> get) {
    long[] out = new long[1];
    call(handle -> get.on(handle, out));
    return out[0];
  }

  final double doubleOf(Out<double[]> get) {
    double[] out = new double[1];
    call(handle -> get.on(handle, out));
    return out[0];
  }

  interface TextOut {
    long on(long handle, byte[] buffer, long[] size);
  }

  interface DimsOut {
    long on(long handle, long[] dims, long[] size);
  }

  final String textOf(TextOut get) {
    return textOf((buffer, size) -> {
      call(handle -> get.on(handle, buffer, size));
      return 0;
    });
  }

  final long[] dimsOf(DimsOut get) {
    long[] dims = new long[Raw.TN_MAX_RANK];
    long[] size = new long[1];
    call(handle -> get.on(handle, dims, size));
    return Arrays.copyOf(dims, (int) size[0]);
  }

  // --- without an object ------------------------------------------------------------------------------------------------

  interface Text {
    long get(byte[] buffer, long[] size);
  }

  /** A text of at most 256 bytes takes one call, a longer one as many as it needs. */
  static String textOf(Text get) {
    byte[] buffer = new byte[257];
    long[] size = new long[1];
    for (;;) {
      check(get.get(buffer, size));
      if (size[0] < buffer.length) {
        return new String(buffer, 0, (int) size[0], StandardCharsets.UTF_8);
      }
      buffer = new byte[Math.toIntExact(size[0] + 1)];
    }
  }

  /** What a create function puts into its out parameter. */
  static long made(LongOut create) {
    long[] out = new long[1];
    check(create.on(out));
    return out[0];
  }

  interface LongOut {
    long on(long[] out);
  }

  /** What a create function makes of another object, the argument of that name. */
  static long madeOf(NativeObject from, String name, Out<long[]> create) {
    return needed(from, name).longOf(create);
  }

  static <T> T using(NativeObject object, String name, LongFunction<T> use) {
    try {
      return use.apply(needed(object, name).handle());
    } finally {
      Reference.reachabilityFence(object);
    }
  }

  /** Throws what an error says, and destroys it. 0 is success. */
  static void check(long error) {
    if (error != 0) {
      throw TenonException.thrownBy(error);
    }
  }
}
