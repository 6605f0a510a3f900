namespace Tenon {
  /// <summary>How much a message matters. A newer library may give numbers that are not named here.</summary>
  public enum Severity {
    /// <summary>Something failed; the function that failed says so too.</summary>
    Error = 0,
    /// <summary>Done, but perhaps not as meant.</summary>
    Warning = 1,
    Info = 2,
    Verbose = 3,
  }
}
