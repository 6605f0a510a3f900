package dev.tenon;

/** The plan is for another machine or library; the message says which. */
public final class IncompatiblePlanException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#INCOMPATIBLE_PLAN}. */
  public IncompatiblePlanException(String message) {
    super(ErrorCode.INCOMPATIBLE_PLAN, message);
  }
}
