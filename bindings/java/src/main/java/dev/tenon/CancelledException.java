package dev.tenon;

/** A build was ended by its progress callback, which throws this. */
public final class CancelledException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#CANCELLED}. */
  public CancelledException(String message) {
    super(ErrorCode.CANCELLED, message);
  }
}
