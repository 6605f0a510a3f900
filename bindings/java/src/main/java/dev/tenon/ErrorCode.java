package dev.tenon;

import dev.tenon.internal.Raw;

/** What kind of failure it was. */
public enum ErrorCode {
  /** Success; no error object has it. */
  NONE(0),
  /** An argument that the function does not allow. */
  INVALID_ARGUMENT(1),
  /** NULL, destroyed or of another type. */
  INVALID_HANDLE(2),
  OUT_OF_MEMORY(3),
  /** The ONNX model is damaged or contradicts itself. */
  INVALID_MODEL(4),
  /** Understood, but this library cannot do it. */
  UNSUPPORTED(5),
  /** The bytes are not a plan, or a damaged one. */
  INVALID_PLAN(6),
  /** For another machine or library; the message says which. */
  INCOMPATIBLE_PLAN(7),
  /** An index, or a shape outside the profile. */
  OUT_OF_RANGE(8),
  /** Another thread is using an object that takes one caller at a time. */
  BUSY(9),
  /** No such name. */
  NOT_FOUND(10),
  /** A file could not be read or written. */
  IO(11),
  /** A progress callback asked for it. */
  CANCELLED(12),
  /** A model or plan exceeds one of the limits; see Limit. */
  LIMIT_EXCEEDED(13),
  /** The device failed or is not there. */
  DEVICE(14),
  /** A defect of the library: please report it. */
  INTERNAL(15),
  /** A callback of the caller failed. */
  CALLBACK(16),
  /** A number that this version of the package does not name. */
  UNKNOWN(-1);

  private final int number;

  ErrorCode(int number) {
    this.number = number;
  }

  /** The number that stands for it in C. */
  public int number() {
    return number;
  }

  /** What a number stands for; {@link #UNKNOWN} if nothing here. */
  public static ErrorCode of(int number) {
    for (ErrorCode one : values()) {
      if (one.number == number && one != UNKNOWN) {
        return one;
      }
    }
    return UNKNOWN;
  }

  /** As C names it: "INVALID_ARGUMENT"; "?" for {@link #UNKNOWN}. */
  public String codeName() {
    return Raw.tn_error_code_get_name(number);
  }
}
