package dev.tenon;

/** The device failed or is not there. */
public final class DeviceException extends TenonException {
  private static final long serialVersionUID = 1;

  /** With {@link ErrorCode#DEVICE}. */
  public DeviceException(String message) {
    super(ErrorCode.DEVICE, message);
  }
}
