package dev.tenon;

import dev.tenon.internal.Raw;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/**
 * What builds have measured, for later builds: one that finds all it needs measures nothing and gives the same plan.
 * Internally synchronised; any thread, also while builds use it.
 */
public final class TimingCache extends NativeObject {
  /** Empty. */
  public TimingCache() {
    super(made(Raw::tn_timing_cache_create), Raw::tn_timing_cache_destroy);
  }

  /** With the entries of a file that {@link #save} wrote. */
  public static TimingCache fromFile(Path path) {
    TimingCache cache = new TimingCache();
    try (Blob bytes = Blob.fromFile(path)) {
      return cache.load(bytes.buffer());
    } catch (Throwable thrown) {
      cache.close();
      throw thrown;
    }
  }

  /** Adds the entries of a serialised cache; where both have a key, the loaded entry holds. */
  public TimingCache load(ByteBuffer bytes) {
    ByteBuffer data = Blob.direct(bytes, "bytes");
    call(handle -> Raw.tn_timing_cache_load(handle, data));
    return this;
  }

  /** Adds another's entries; where both have a key, the other's holds. */
  public TimingCache merge(TimingCache other) {
    callWith(needed(other, "other"), Raw::tn_timing_cache_merge);
    return this;
  }

  /** The entries as bytes: equal caches give equal bytes. */
  public Blob serialize() {
    return new Blob(longOf(Raw::tn_timing_cache_serialize));
  }

  /** Writes the entries to a file. */
  public void save(Path path) {
    try (Blob bytes = serialize()) {
      bytes.save(path);
    }
  }

  /** Number of entries. */
  public long size() {
    return longOf(Raw::tn_timing_cache_get_count);
  }
}
