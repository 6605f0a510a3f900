namespace Tenon {
  /// <summary>How the elements of a tensor lie in memory. A newer library may give numbers that are not named here.</summary>
  public enum TensorFormat {
    /// <summary>Row-major, no padding.</summary>
    Linear = 0,
    /// <summary>Axis 1 moved last: N, spatial dims, C.</summary>
    ChannelsLast = 1,
  }
}
