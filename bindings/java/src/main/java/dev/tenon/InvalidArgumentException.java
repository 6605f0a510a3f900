package dev.tenon;

/** An argument that the function does not allow. */
public final class InvalidArgumentException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#INVALID_ARGUMENT}. */
  public InvalidArgumentException(String message) {
    super(ErrorCode.INVALID_ARGUMENT, message);
  }
}
