package dev.tenon.internal;

import java.nio.ByteBuffer;

/** Memory that Java and C share. */
public final class Memory {
  private Memory() {}

  static ByteBuffer slice(ByteBuffer buffer) {
    if (buffer == null) {
      return null;
    }
    if (!buffer.isDirect()) {
      throw new IllegalArgumentException("the buffer must be direct");
    }
    return buffer.slice();
  }

  /**
   * The address of a direct buffer's first byte at its position. It is valid while the buffer is reachable: keep it, and end
   * with a reachabilityFence.
   */
  public static long address(ByteBuffer buffer) {
    return Raw.address(slice(buffer));
  }

  /** A buffer over memory of C's, which nothing keeps alive but the object that owns it. */
  public static ByteBuffer at(long address, long size) {
    return (ByteBuffer) Raw.buffer(address, size);
  }
}
