package dev.tenon;

/** Form of a document that describes an object. */
public enum DocumentFormat {
  /** For people. */
  TEXT(0),
  /** For programs: one JSON object. */
  JSON(1),
  /** A number that this version of the package does not name. */
  UNKNOWN(-1);

  private final int number;

  DocumentFormat(int number) {
    this.number = number;
  }

  /** The number that stands for it in C. */
  public int number() {
    return number;
  }

  /** What a number stands for; {@link #UNKNOWN} if nothing here. */
  public static DocumentFormat of(int number) {
    for (DocumentFormat one : values()) {
      if (one.number == number && one != UNKNOWN) {
        return one;
      }
    }
    return UNKNOWN;
  }
}
