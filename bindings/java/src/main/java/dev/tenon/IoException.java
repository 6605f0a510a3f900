package dev.tenon;

/** A file could not be read or written. */
public final class IoException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#IO}. */
  public IoException(String message) {
    super(ErrorCode.IO, message);
  }
}
