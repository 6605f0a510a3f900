package dev.tenon;

import dev.tenon.internal.Memory;
import dev.tenon.internal.Raw;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Immutable bytes: plans, caches, documents, models. Any thread. */
public final class Blob extends NativeObject {
  Blob(long handle) {
    super(handle, Raw::tn_blob_destroy);
  }

  /** With a copy of a buffer's bytes from position to limit. */
  public Blob(ByteBuffer bytes) {
    this(made(copied(bytes)));
  }

  private static LongOut copied(ByteBuffer bytes) {
    ByteBuffer data = direct(bytes, "bytes");
    return out -> Raw.tn_blob_create(data, out);
  }

  /** With a copy of the bytes. */
  public Blob(byte[] bytes) {
    this(ByteBuffer.wrap(needed(bytes, "bytes")));
  }

  /**
   * Refers to the bytes of a direct buffer from position to limit, which must not change while the blob, or what was made from
   * it, lives. Nothing is copied.
   */
  public static Blob take(ByteBuffer bytes) {
    Tensor.requireDirect(needed(bytes, "bytes"), "the buffer");
    long slot = Raw.slot(bytes);
    if (slot == 0) {
      throw new OutOfMemoryException("there is no memory for a blob");
    }
    return new Blob(made(out -> Raw.tn_blob_create_take(Memory.address(bytes), bytes.remaining(), slot, Raw.slot_release(), out)));
  }

  /** With the contents of a file. */
  public static Blob fromFile(Path path) {
    String name = needed(path, "path").toString();
    return new Blob(made(out -> Raw.tn_blob_create_from_file(name, out)));
  }

  /** A second owner of the same bytes. */
  public Blob share() {
    return new Blob(longOf(Raw::tn_blob_create_shared));
  }

  /** Replaces the file as a whole: a reader finds the old contents or the new. */
  public void save(Path path) {
    String name = needed(path, "path").toString();
    call(handle -> Raw.tn_blob_save(handle, name));
  }

  /** Number of bytes. */
  public long size() {
    long[] size = new long[1];
    call(handle -> Raw.tn_blob_get_data(handle, new long[1], size));
    return size[0];
  }

  /**
   * The bytes where they are, as a read-only direct buffer in native order. It stays good when this object is closed. A blob
   * of 2 GiB or more has none: {@link #save} it.
   */
  public ByteBuffer buffer() {
    long owner = longOf(Raw::tn_blob_create_shared);
    long[] address = new long[1];
    long[] size = new long[1];
    long error = Raw.tn_blob_get_data(owner, address, size);
    if (error != 0 || size[0] > Integer.MAX_VALUE) {
      Raw.tn_blob_destroy(owner);
      check(error);
      throw new UnsupportedException("a buffer holds less than 2 GiB; the blob has " + size[0] + " bytes");
    }
    ByteBuffer memory = Memory.at(address[0], size[0]);
    // Views of the buffer refer to it, so the bytes live as long as the last view.
    CLEANER.register(memory, () -> Raw.tn_blob_destroy(owner));
    return memory.asReadOnlyBuffer().order(ByteOrder.nativeOrder());
  }

  /** A copy of the bytes. */
  public byte[] toByteArray() {
    ByteBuffer buffer = buffer();
    byte[] bytes = new byte[buffer.remaining()];
    buffer.get(bytes);
    return bytes;
  }

  /** A document, as UTF-8. */
  public String text() {
    return StandardCharsets.UTF_8.decode(buffer()).toString();
  }

  @Override
  public String toString() {
    return isClosed() ? "Blob (closed)" : "Blob of " + size() + " bytes";
  }

  /** The buffer, the argument of that name, or a direct copy. */
  static ByteBuffer direct(ByteBuffer bytes, String name) {
    if (needed(bytes, name).isDirect()) {
      return bytes;
    }
    return ByteBuffer.allocateDirect(bytes.remaining()).order(ByteOrder.nativeOrder()).put(bytes.duplicate()).flip();
  }
}
