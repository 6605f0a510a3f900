package dev.tenon;

import dev.tenon.internal.Callbacks;
import dev.tenon.internal.Raw;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A failure that the library reports. {@link #getMessage()} is the whole message: what was wrong, with which object, what was
 * expected. A callback may throw one: the outer call then fails with that very object, and with its code.
 */
public class TenonException extends RuntimeException implements Callbacks.HasErrorCode {
  private static final long serialVersionUID = 1;
  private final int number;

  /** An exception with a code, for callbacks: {@link ErrorCode#CANCELLED} ends a build. */
  public TenonException(ErrorCode code, String message) {
    this(code.number(), message);
  }

  private TenonException(int number, String message) {
    super(message);
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
      return new TenonException(Raw.tn_error_get_code(error), new String(message, 0, message.length - 1, StandardCharsets.UTF_8));
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
