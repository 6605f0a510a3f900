package dev.tenon;

/** In which memory the buffer of a tensor lies. */
public enum TensorLocation {
  HOST(0),
  DEVICE(1),
  /** A number that this version of the package does not name. */
  UNKNOWN(-1);

  private final int number;

  TensorLocation(int number) {
    this.number = number;
  }

  /** The number that stands for it in C. */
  public int number() {
    return number;
  }

  /** What a number stands for; {@link #UNKNOWN} if nothing here. */
  public static TensorLocation of(int number) {
    for (TensorLocation one : values()) {
      if (one.number == number && one != UNKNOWN) {
        return one;
      }
    }
    return UNKNOWN;
  }
}
