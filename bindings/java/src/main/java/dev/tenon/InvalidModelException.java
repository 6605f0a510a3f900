package dev.tenon;

/** The ONNX model is damaged or contradicts itself. */
public final class InvalidModelException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#INVALID_MODEL}. */
  public InvalidModelException(String message) {
    super(ErrorCode.INVALID_MODEL, message);
  }
}
