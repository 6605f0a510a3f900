package dev.tenon;

import dev.tenon.internal.Raw;
import java.util.List;

/** A device of this machine: "cpu", "cuda", "cuda:1". Immutable; any thread. */
public final class Device extends NativeObject {
  /**
   * A device by name.
   *
   * @throws TenonException UNSUPPORTED (not on this machine), NOT_FOUND (unknown)
   */
  public Device(String name) {
    super(create(name), Raw::tn_device_destroy);
  }

  private static long create(String name) {
    needed(name, "name");
    return made(out -> Raw.tn_device_create(name, out));
  }

  /** Kind of the device. */
  public DeviceType type() {
    return DeviceType.of(intOf(Raw::tn_device_get_type));
  }

  /** "cpu", "cuda". */
  public String name() {
    return textOf(Raw::tn_device_get_name);
  }

  /** Of a CPU its instruction sets, of a GPU its architecture and product. */
  public List<String> features() {
    return List.of(textOf(Raw::tn_device_get_features).split(","));
  }

  /** Threads that this process may run at once: what a thread count of 0 stands for. 0 for devices without a limit. */
  public int threadCount() {
    return intOf(Raw::tn_device_get_thread_count);
  }

  @Override
  public String toString() {
    return isClosed() ? "Device (closed)" : "Device " + name() + " " + features();
  }
}
