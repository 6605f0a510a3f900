package dev.tenon;

import dev.tenon.internal.Callbacks;
import dev.tenon.internal.Raw;

/** Where the library's messages go. Immutable; any thread. It lives on in what uses it. */
public final class Logger extends NativeObject {
  /** Hears of messages. */
  @FunctionalInterface
  public interface Sink {
    /**
     * Takes one message, on any thread that works for an object that has the logger, perhaps on several at once. It may call
     * the library, but not the object that is being used. What it throws goes to the thread's uncaught-exception handler.
     */
    void log(Severity severity, String message);
  }

  /**
   * A logger.
   *
   * @param sink hears of the messages
   * @param maxSeverity messages that matter less are not made
   */
  public Logger(Sink sink, Severity maxSeverity) {
    super(create(table(sink), needed(maxSeverity, "maxSeverity").number()), Raw::tn_logger_destroy);
  }

  /** Of warnings and errors. */
  public Logger(Sink sink) {
    this(sink, Severity.WARNING);
  }

  private static long create(Callbacks.Logger table, int maxSeverity) {
    return made(out -> Raw.tn_logger_create(table, maxSeverity, out));
  }

  private static Callbacks.Logger table(Sink sink) {
    needed(sink, "sink");
    return (severity, message) -> sink.log(Severity.of(severity), message);
  }
}
