namespace Tenon {
  /// <summary>Type of a tensor's elements. The numbers are those of ONNX's TensorProto.DataType. A newer library may give numbers that are not named here.</summary>
  public enum DataType {
    /// <summary>Not known, or not a tensor.</summary>
    None = 0,
    Float32 = 1,
    UInt8 = 2,
    Int8 = 3,
    UInt16 = 4,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    String = 8,
    /// <summary>One byte per element, 0 or 1.</summary>
    Bool = 9,
    Float16 = 10,
    Float64 = 11,
    UInt32 = 12,
    UInt64 = 13,
    BFloat16 = 16,
    Float8E4M3FN = 17,
    Float8E4M3FNUZ = 18,
    Float8E5M2 = 19,
    Float8E5M2FNUZ = 20,
    /// <summary>One byte per element, its low 4 bits; the others are 0.</summary>
    UInt4 = 21,
    /// <summary>One byte per element, its low 4 bits; the others are 0.</summary>
    Int4 = 22,
    /// <summary>One byte per element, its low 4 bits; the others are 0.</summary>
    Float4E2M1 = 23,
    /// <summary>Powers of two.</summary>
    Float8E8M0 = 24,
    /// <summary>One byte per element, its low 2 bits; the others are 0.</summary>
    UInt2 = 25,
    /// <summary>One byte per element, its low 2 bits; the others are 0.</summary>
    Int2 = 26,
  }
}
