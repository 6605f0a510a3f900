package dev.tenon;

/** Another call is using an object that takes one caller at a time. */
public final class BusyException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#BUSY}. */
  public BusyException(String message) {
    super(ErrorCode.BUSY, message);
  }
}
