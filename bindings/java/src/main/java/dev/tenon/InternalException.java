package dev.tenon;

/** A defect of the library: please report it. */
public final class InternalException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#INTERNAL}. */
  public InternalException(String message) {
    super(ErrorCode.INTERNAL, message);
  }
}
