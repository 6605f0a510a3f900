package dev.tenon;

/** Understood, but this library cannot do it. */
public final class UnsupportedException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#UNSUPPORTED}. */
  public UnsupportedException(String message) {
    super(ErrorCode.UNSUPPORTED, message);
  }
}
