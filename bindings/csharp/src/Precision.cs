namespace Tenon {
  /// <summary>Precisions that a build may use for FP32 work on devices that have them. Allowed is not forced. A newer library may give numbers that are not named here.</summary>
  public enum Precision {
    /// <summary>Operands of matrix products rounded to 10 bits of mantissa; allowed by default.</summary>
    Tf32 = 0,
    /// <summary>Tensors stored and multiplied in FP16.</summary>
    Fp16 = 1,
    /// <summary>Tensors stored and multiplied in BF16.</summary>
    Bf16 = 2,
  }
}
