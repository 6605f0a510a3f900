namespace Tenon {
  /// <summary>Kind of a device. A newer library may give numbers that are not named here.</summary>
  public enum DeviceType {
    Cpu = 0,
    Cuda = 1,
  }
}
