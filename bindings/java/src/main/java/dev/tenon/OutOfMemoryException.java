package dev.tenon;

/** The library, or what it works with, had no memory. */
public final class OutOfMemoryException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#OUT_OF_MEMORY}. */
  public OutOfMemoryException(String message) {
    super(ErrorCode.OUT_OF_MEMORY, message);
  }
}
