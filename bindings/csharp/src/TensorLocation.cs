namespace Tenon {
  /// <summary>In which memory the buffer of a tensor lies. A newer library may give numbers that are not named here.</summary>
  public enum TensorLocation {
    Host = 0,
    Device = 1,
  }
}
