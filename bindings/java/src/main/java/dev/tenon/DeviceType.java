package dev.tenon;

/** Kind of a device. */
public enum DeviceType {
  CPU(0),
  CUDA(1),
  /** A number that this version of the package does not name. */
  UNKNOWN(-1);

  private final int number;

  DeviceType(int number) {
    this.number = number;
  }

  /** The number that stands for it in C. */
  public int number() {
    return number;
  }

  /** What a number stands for; {@link #UNKNOWN} if nothing here. */
  public static DeviceType of(int number) {
    for (DeviceType one : values()) {
      if (one.number == number && one != UNKNOWN) {
        return one;
      }
    }
    return UNKNOWN;
  }
}
