package dev.tenon;

/** How much a message matters. */
public enum Severity {
  /** Something failed; the function that failed says so too. */
  ERROR(0),
  /** Done, but perhaps not as meant. */
  WARNING(1),
  INFO(2),
  VERBOSE(3),
  /** A number that this version of the package does not name. */
  UNKNOWN(-1);

  private final int number;

  Severity(int number) {
    this.number = number;
  }

  /** The number that stands for it in C. */
  public int number() {
    return number;
  }

  /** What a number stands for; {@link #UNKNOWN} if nothing here. */
  public static Severity of(int number) {
    for (Severity one : values()) {
      if (one.number == number && one != UNKNOWN) {
        return one;
      }
    }
    return UNKNOWN;
  }
}
