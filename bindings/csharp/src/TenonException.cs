using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.ExceptionServices;
using System.Text;
using Tenon.Interop;

namespace Tenon {
  /// <summary>A failure that the library reports: one subclass for each code, or this class for a code that a newer library may have.
  /// Message is the whole message: what was wrong, with which object, what was expected. A callback may throw one: the outer call then
  /// fails with that very object, and with its code.</summary>
  public class TenonException : Exception, IHasErrorCode {
    /// <summary>What kind of failure it was.</summary>
    public ErrorCode Code { get; }

    /// <summary>An exception with a code, for callbacks: <see cref="ErrorCode.Cancelled"/> ends a build.</summary>
    public TenonException(ErrorCode code, string message) : base(message) {
      Code = code;
    }

    int IHasErrorCode.ErrorCode => (int)Code;

    /// <summary>The first line: what was wrong, and what to do.</summary>
    public string Text => Message.Split('\n')[0];

    /// <summary>The further lines, innermost first: what the library was doing.</summary>
    public IReadOnlyList<string> Where => Message.Split('\n').Skip(1).Select(line => line.Trim()).Where(line => line.Length > 0).ToList();

    /// <summary>A code as C names it: "INVALID_ARGUMENT"; "?" for a number that names none.</summary>
    public static string NameOf(ErrorCode code) {
      return Raw.tn_error_code_get_name((int)code);
    }

    /// <summary>The exception of a code.</summary>
    internal static TenonException Of(ErrorCode code, string message) {
      switch (code) {
        case ErrorCode.InvalidArgument: return new InvalidArgumentException(message);
        case ErrorCode.InvalidHandle: return new InvalidHandleException(message);
        case ErrorCode.OutOfMemory: return new TenonOutOfMemoryException(message);
        case ErrorCode.InvalidModel: return new InvalidModelException(message);
        case ErrorCode.Unsupported: return new UnsupportedException(message);
        case ErrorCode.InvalidPlan: return new InvalidPlanException(message);
        case ErrorCode.IncompatiblePlan: return new IncompatiblePlanException(message);
        case ErrorCode.OutOfRange: return new OutOfRangeException(message);
        case ErrorCode.Busy: return new BusyException(message);
        case ErrorCode.NotFound: return new NotFoundException(message);
        case ErrorCode.Io: return new IoException(message);
        case ErrorCode.Cancelled: return new CancelledException(message);
        case ErrorCode.LimitExceeded: return new LimitExceededException(message);
        case ErrorCode.Device: return new DeviceException(message);
        case ErrorCode.Internal: return new InternalException(message);
        case ErrorCode.Callback: return new CallbackException(message);
        default: return new TenonException(code, message);
      }
    }

    /// <summary>Throws what an error says, and destroys it: an exception of a callback as itself. Zero is success.</summary>
    internal static void Check(IntPtr error) {
      if (error != IntPtr.Zero) Throw(error);
    }

    private static unsafe void Throw(IntPtr error) {
      try {
        Exception thrown = Callbacks.ThrownIn(error);
        if (thrown != null) ExceptionDispatchInfo.Capture(thrown).Throw();
        UIntPtr size = UIntPtr.Zero;
        Raw.tn_error_get_message(error, null, UIntPtr.Zero, &size);
        byte[] message = new byte[(int)size + 1];
        fixed (byte* room = message) Raw.tn_error_get_message(error, room, (UIntPtr)message.Length, &size);
        throw Of((ErrorCode)Raw.tn_error_get_code(error), Encoding.UTF8.GetString(message, 0, message.Length - 1));
      } finally {
        Raw.tn_error_destroy(error);
      }
    }
  }
}
