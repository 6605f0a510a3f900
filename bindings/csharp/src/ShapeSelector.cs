namespace Tenon {
  /// <summary>One of the three shapes that a profile gives each input. A newer library may give numbers that are not named here.</summary>
  public enum ShapeSelector {
    /// <summary>The smallest dims that a context will accept.</summary>
    Min = 0,
    /// <summary>The dims that the plan is tuned for.</summary>
    Opt = 1,
    /// <summary>The largest dims that a context will accept.</summary>
    Max = 2,
  }
}
