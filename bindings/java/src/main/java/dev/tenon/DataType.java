package dev.tenon;

import dev.tenon.internal.Raw;

/** Type of a tensor's elements. The numbers are those of ONNX's TensorProto.DataType. */
public enum DataType {
  /** Not known, or not a tensor. */
  NONE(0),
  FLOAT32(1),
  UINT8(2),
  INT8(3),
  UINT16(4),
  INT16(5),
  INT32(6),
  INT64(7),
  STRING(8),
  /** One byte per element, 0 or 1. */
  BOOL(9),
  FLOAT16(10),
  FLOAT64(11),
  UINT32(12),
  UINT64(13),
  BFLOAT16(16),
  FLOAT8_E4M3FN(17),
  FLOAT8_E4M3FNUZ(18),
  FLOAT8_E5M2(19),
  FLOAT8_E5M2FNUZ(20),
  /** One byte per element, its low 4 bits; the others are 0. */
  UINT4(21),
  /** One byte per element, its low 4 bits; the others are 0. */
  INT4(22),
  /** One byte per element, its low 4 bits; the others are 0. */
  FLOAT4_E2M1(23),
  /** Powers of two. */
  FLOAT8_E8M0(24),
  /** One byte per element, its low 2 bits; the others are 0. */
  UINT2(25),
  /** One byte per element, its low 2 bits; the others are 0. */
  INT2(26),
  /** A number that this version of the package does not name. */
  UNKNOWN(-1);

  private final int number;

  DataType(int number) {
    this.number = number;
  }

  /** The number that stands for it in C. */
  public int number() {
    return number;
  }

  /** What a number stands for; {@link #UNKNOWN} if nothing here. */
  public static DataType of(int number) {
    for (DataType one : values()) {
      if (one.number == number && one != UNKNOWN) {
        return one;
      }
    }
    return UNKNOWN;
  }

  /** Short name: "f32", "i64", "bool"; "?" if it names no type. */
  public String shortName() {
    return Raw.tn_data_type_get_name(number);
  }

  /** Bytes of one element; of {@link #STRING} those of a view; 0 for {@link #NONE} and {@link #UNKNOWN}. */
  public int size() {
    return (int) Raw.tn_data_type_get_size(number);
  }
}
