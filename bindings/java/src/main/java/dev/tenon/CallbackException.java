package dev.tenon;

/** A callback of the caller failed. */
public final class CallbackException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#CALLBACK}. */
  public CallbackException(String message) {
    super(ErrorCode.CALLBACK, message);
  }
}
