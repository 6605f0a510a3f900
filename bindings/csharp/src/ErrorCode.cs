namespace Tenon {
  /// <summary>What kind of failure it was. A newer library may give numbers that are not named here.</summary>
  public enum ErrorCode {
    /// <summary>Success; no error object has it.</summary>
    None = 0,
    /// <summary>An argument that the function does not allow.</summary>
    InvalidArgument = 1,
    /// <summary>NULL, destroyed or of another type.</summary>
    InvalidHandle = 2,
    OutOfMemory = 3,
    /// <summary>The ONNX model is damaged or contradicts itself.</summary>
    InvalidModel = 4,
    /// <summary>Understood, but this library cannot do it.</summary>
    Unsupported = 5,
    /// <summary>The bytes are not a plan, or a damaged one.</summary>
    InvalidPlan = 6,
    /// <summary>For another machine or library; the message says which.</summary>
    IncompatiblePlan = 7,
    /// <summary>An index, or a shape outside the profile.</summary>
    OutOfRange = 8,
    /// <summary>Another thread is using an object that takes one caller at a time.</summary>
    Busy = 9,
    /// <summary>No such name.</summary>
    NotFound = 10,
    /// <summary>A file could not be read or written.</summary>
    Io = 11,
    /// <summary>A progress callback asked for it.</summary>
    Cancelled = 12,
    /// <summary>A model or plan exceeds one of the limits; see Limit.</summary>
    LimitExceeded = 13,
    /// <summary>The device failed or is not there.</summary>
    Device = 14,
    /// <summary>A defect of the library: please report it.</summary>
    Internal = 15,
    /// <summary>A callback of the caller failed.</summary>
    Callback = 16,
  }
}
