namespace Tenon {
  /// <summary>An argument that the function does not allow.</summary>
  public sealed class InvalidArgumentException : TenonException {
    /// <summary>With <see cref="ErrorCode.InvalidArgument"/>.</summary>
    public InvalidArgumentException(string message) : base(ErrorCode.InvalidArgument, message) {}
  }

  /// <summary>The object is disposed.</summary>
  public sealed class InvalidHandleException : TenonException {
    /// <summary>With <see cref="ErrorCode.InvalidHandle"/>.</summary>
    public InvalidHandleException(string message) : base(ErrorCode.InvalidHandle, message) {}
  }

  /// <summary>Memory was not to be had. System has the shorter name.</summary>
  public sealed class TenonOutOfMemoryException : TenonException {
    /// <summary>With <see cref="ErrorCode.OutOfMemory"/>.</summary>
    public TenonOutOfMemoryException(string message) : base(ErrorCode.OutOfMemory, message) {}
  }

  /// <summary>The ONNX model is damaged or contradicts itself.</summary>
  public sealed class InvalidModelException : TenonException {
    /// <summary>With <see cref="ErrorCode.InvalidModel"/>.</summary>
    public InvalidModelException(string message) : base(ErrorCode.InvalidModel, message) {}
  }

  /// <summary>Understood, but this library cannot do it.</summary>
  public sealed class UnsupportedException : TenonException {
    /// <summary>With <see cref="ErrorCode.Unsupported"/>.</summary>
    public UnsupportedException(string message) : base(ErrorCode.Unsupported, message) {}
  }

  /// <summary>The bytes are not a plan, or a damaged one.</summary>
  public sealed class InvalidPlanException : TenonException {
    /// <summary>With <see cref="ErrorCode.InvalidPlan"/>.</summary>
    public InvalidPlanException(string message) : base(ErrorCode.InvalidPlan, message) {}
  }

  /// <summary>The plan is for another machine or library; the message says which.</summary>
  public sealed class IncompatiblePlanException : TenonException {
    /// <summary>With <see cref="ErrorCode.IncompatiblePlan"/>.</summary>
    public IncompatiblePlanException(string message) : base(ErrorCode.IncompatiblePlan, message) {}
  }

  /// <summary>An index, or a shape outside the profile.</summary>
  public sealed class OutOfRangeException : TenonException {
    /// <summary>With <see cref="ErrorCode.OutOfRange"/>.</summary>
    public OutOfRangeException(string message) : base(ErrorCode.OutOfRange, message) {}
  }

  /// <summary>Another call is using an object that takes one caller at a time.</summary>
  public sealed class BusyException : TenonException {
    /// <summary>With <see cref="ErrorCode.Busy"/>.</summary>
    public BusyException(string message) : base(ErrorCode.Busy, message) {}
  }

  /// <summary>There is nothing of that name; the message names what there is.</summary>
  public sealed class NotFoundException : TenonException {
    /// <summary>With <see cref="ErrorCode.NotFound"/>.</summary>
    public NotFoundException(string message) : base(ErrorCode.NotFound, message) {}
  }

  /// <summary>A file could not be read or written.</summary>
  public sealed class IoException : TenonException {
    /// <summary>With <see cref="ErrorCode.Io"/>.</summary>
    public IoException(string message) : base(ErrorCode.Io, message) {}
  }

  /// <summary>A build was ended by its progress callback, which throws this.</summary>
  public sealed class CancelledException : TenonException {
    /// <summary>With <see cref="ErrorCode.Cancelled"/>.</summary>
    public CancelledException(string message) : base(ErrorCode.Cancelled, message) {}
  }

  /// <summary>A model or plan exceeds one of the limits.</summary>
  public sealed class LimitExceededException : TenonException {
    /// <summary>With <see cref="ErrorCode.LimitExceeded"/>.</summary>
    public LimitExceededException(string message) : base(ErrorCode.LimitExceeded, message) {}
  }

  /// <summary>The device failed or is not there.</summary>
  public sealed class DeviceException : TenonException {
    /// <summary>With <see cref="ErrorCode.Device"/>.</summary>
    public DeviceException(string message) : base(ErrorCode.Device, message) {}
  }

  /// <summary>A defect of the library: please report it.</summary>
  public sealed class InternalException : TenonException {
    /// <summary>With <see cref="ErrorCode.Internal"/>.</summary>
    public InternalException(string message) : base(ErrorCode.Internal, message) {}
  }

  /// <summary>A callback of the caller failed.</summary>
  public sealed class CallbackException : TenonException {
    /// <summary>With <see cref="ErrorCode.Callback"/>.</summary>
    public CallbackException(string message) : base(ErrorCode.Callback, message) {}
  }
}
