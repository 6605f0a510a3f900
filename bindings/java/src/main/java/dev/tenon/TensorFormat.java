package dev.tenon;

/** How the elements of a tensor lie in memory. */
public enum TensorFormat {
  /** Row-major, no padding. */
  LINEAR(0),
  /** Axis 1 moved last: N, spatial dims, C. */
  CHANNELS_LAST(1),
  /** A number that this version of the package does not name. */
  UNKNOWN(-1);

  private final int number;

  TensorFormat(int number) {
    this.number = number;
  }

  /** The number that stands for it in C. */
  public int number() {
    return number;
  }

  /** What a number stands for; {@link #UNKNOWN} if nothing here. */
  public static TensorFormat of(int number) {
    for (TensorFormat one : values()) {
      if (one.number == number && one != UNKNOWN) {
        return one;
      }
    }
    return UNKNOWN;
  }
}
