package dev.tenon;

/** There is nothing of that name; the message names what there is. */
public final class NotFoundException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#NOT_FOUND}. */
  public NotFoundException(String message) {
    super(ErrorCode.NOT_FOUND, message);
  }
}
