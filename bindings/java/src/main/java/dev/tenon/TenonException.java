package dev.tenon;

import dev.tenon.internal.Callbacks;
import dev.tenon.internal.Raw;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A failure that the library reports: one subclass for each code, or this class for a code that a newer library may have. {@link
 * #getMessage()} is the whole message: what was wrong, with which object, what was expected. A callback may throw one: the outer
 * call then fails with that very object, and with its code.
 */
public class TenonException extends RuntimeException implements Callbacks.HasErrorCode {
  private static final long serialVersionUID = 1;
  private final int number;

  /** An exception with a code, for callbacks. */
  public TenonException(ErrorCode code, String message) {
    this(NativeObject.needed(code, "code").number(), message);
  }

  private TenonException(int number, String message) {
    super(NativeObject.needed(message, "message"));
    this.number = number;
  }

  /** What kind of failure it was; {@link ErrorCode#UNKNOWN} if the library is newer and has more kinds. */
  public ErrorCode code() {
    return ErrorCode.of(number);
  }

  /** The code as C has it. */
  @Override
  public int errorCode() {
    return number;
  }

  /** The first line: what was wrong, and what to do. */
  public String text() {
    return getMessage().lines().findFirst().orElse("");
  }

  /** The further lines, innermost first: what the library was doing. */
  public List<String> where() {
    return getMessage().lines().skip(1).map(String::strip).filter(line -> !line.isEmpty()).toList();
  }

  @Override
  public String toString() {
    return getClass().getName() + ": " + Raw.tn_error_code_get_name(number) + ": " + getMessage();
  }

  /** The exception of a code. */
  static TenonException of(int number, String message) {
    return switch (ErrorCode.of(number)) {
      case INVALID_ARGUMENT -> new InvalidArgumentException(message);
      case INVALID_HANDLE -> new InvalidHandleException(message);
      case OUT_OF_MEMORY -> new OutOfMemoryException(message);
      case INVALID_MODEL -> new InvalidModelException(message);
      case UNSUPPORTED -> new UnsupportedException(message);
      case INVALID_PLAN -> new InvalidPlanException(message);
      case INCOMPATIBLE_PLAN -> new IncompatiblePlanException(message);
      case OUT_OF_RANGE -> new OutOfRangeException(message);
      case BUSY -> new BusyException(message);
      case NOT_FOUND -> new NotFoundException(message);
      case IO -> new IoException(message);
      case CANCELLED -> new CancelledException(message);
      case LIMIT_EXCEEDED -> new LimitExceededException(message);
      case DEVICE -> new DeviceException(message);
      case INTERNAL -> new InternalException(message);
      case CALLBACK -> new CallbackException(message);
      default -> new TenonException(number, message);
    };
  }

  /** What an error stands for, which is destroyed. An exception of a callback is thrown as itself. */
  static TenonException thrownBy(long error) {
    try {
      Throwable thrown = Callbacks.thrownIn(error);
      if (thrown != null) {
        throw TenonException.<RuntimeException>unchecked(thrown);
      }
      long[] size = new long[1];
      Raw.tn_error_get_message(error, null, size);
      byte[] message = new byte[(int) size[0] + 1];
      Raw.tn_error_get_message(error, message, size);
      return of(Raw.tn_error_get_code(error), new String(message, 0, message.length - 1, StandardCharsets.UTF_8));
    } finally {
      Raw.tn_error_destroy(error);
    }
  }

  /** Throws what a callback threw, which may be a checked exception. */
  @SuppressWarnings("unchecked")
  private static <T extends Throwable> T unchecked(Throwable thrown) throws T {
    throw (T) thrown;
  }
}
