package dev.tenon;

/** The object is closed. */
public final class InvalidHandleException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#INVALID_HANDLE}. */
  public InvalidHandleException(String message) {
    super(ErrorCode.INVALID_HANDLE, message);
  }
}
