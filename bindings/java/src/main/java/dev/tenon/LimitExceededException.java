package dev.tenon;

/** A model or plan exceeds one of the limits; see {@link Limit}. */
public final class LimitExceededException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#LIMIT_EXCEEDED}. */
  public LimitExceededException(String message) {
    super(ErrorCode.LIMIT_EXCEEDED, message);
  }
}
