package dev.tenon;

/** One of the three shapes that a profile gives each input. */
public enum ShapeSelector {
  /** The smallest dims that a context will accept. */
  MIN(0),
  /** The dims that the plan is tuned for. */
  OPT(1),
  /** The largest dims that a context will accept. */
  MAX(2),
  /** A number that this version of the package does not name. */
  UNKNOWN(-1);

  private final int number;

  ShapeSelector(int number) {
    this.number = number;
  }

  /** The number that stands for it in C. */
  public int number() {
    return number;
  }

  /** What a number stands for; {@link #UNKNOWN} if nothing here. */
  public static ShapeSelector of(int number) {
    for (ShapeSelector one : values()) {
      if (one.number == number && one != UNKNOWN) {
        return one;
      }
    }
    return UNKNOWN;
  }
}
