namespace Tenon {
  /// <summary>Form of a document that describes an object. A newer library may give numbers that are not named here.</summary>
  public enum DocumentFormat {
    /// <summary>For people.</summary>
    Text = 0,
    /// <summary>For programs: one JSON object.</summary>
    Json = 1,
  }
}
