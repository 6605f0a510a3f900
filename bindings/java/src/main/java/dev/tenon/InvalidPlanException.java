package dev.tenon;

/** The bytes are not a plan, or a damaged one. */
public final class InvalidPlanException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#INVALID_PLAN}. */
  public InvalidPlanException(String message) {
    super(ErrorCode.INVALID_PLAN, message);
  }
}
