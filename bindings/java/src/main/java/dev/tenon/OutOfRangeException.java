package dev.tenon;

/** An index, or a shape outside the profile. */
public final class OutOfRangeException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#OUT_OF_RANGE}. */
  public OutOfRangeException(String message) {
    super(ErrorCode.OUT_OF_RANGE, message);
  }
}
