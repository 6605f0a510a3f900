package dev.tenon;

/** Whether a tensor goes into a network or comes out of it. */
public enum IoMode {
  INPUT(0),
  OUTPUT(1),
  /** A number that this version of the package does not name. */
  UNKNOWN(-1);

  private final int number;

  IoMode(int number) {
    this.number = number;
  }

  /** The number that stands for it in C. */
  public int number() {
    return number;
  }

  /** What a number stands for; {@link #UNKNOWN} if nothing here. */
  public static IoMode of(int number) {
    for (IoMode one : values()) {
      if (one.number == number && one != UNKNOWN) {
        return one;
      }
    }
    return UNKNOWN;
  }
}
