namespace Tenon {
  /// <summary>Whether a tensor goes into a network or comes out of it. A newer library may give numbers that are not named here.</summary>
  public enum IoMode {
    Input = 0,
    Output = 1,
  }
}
