package dev.tenon;

/** Precisions that a build may use for FP32 work on devices that have them. Allowed is not forced. */
public enum Precision {
  /** Operands of matrix products rounded to 10 bits of mantissa; allowed by default. */
  TF32(0),
  /** Tensors stored and multiplied in FP16. */
  FP16(1),
  /** Tensors stored and multiplied in BF16. */
  BF16(2),
  /** A number that this version of the package does not name. */
  UNKNOWN(-1);

  private final int number;

  Precision(int number) {
    this.number = number;
  }

  /** The number that stands for it in C. */
  public int number() {
    return number;
  }

  /** What a number stands for; {@link #UNKNOWN} if nothing here. */
  public static Precision of(int number) {
    for (Precision one : values()) {
      if (one.number == number && one != UNKNOWN) {
        return one;
      }
    }
    return UNKNOWN;
  }
}
