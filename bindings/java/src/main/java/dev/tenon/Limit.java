package dev.tenon;

/** What a reader of untrusted bytes enforces. */
public enum Limit {
  /** Size of an ONNX file without its external data. */
  MODEL_BYTES(0),
  /** Elements of one tensor. */
  TENSOR_ELEMENTS(1),
  /** Bytes of one tensor. */
  TENSOR_BYTES(2),
  /** Nodes of a model, those of its sub-graphs included. */
  NODES(3),
  /** Sub-graphs within sub-graphs. */
  NESTING(4),
  /** Length of one name. */
  NAME_BYTES(5),
  /** Size of a plan. */
  PLAN_BYTES(6),
  /** Constants that a build computes. */
  FOLD_BYTES(7),
  /** Parts of a model: nodes, attributes, tensors, types. */
  MODEL_RECORDS(8),
  /** Intermediate results of one context. */
  ARENA_BYTES(9),
  /** A number that this version of the package does not name. */
  UNKNOWN(-1);

  private final int number;

  Limit(int number) {
    this.number = number;
  }

  /** The number that stands for it in C. */
  public int number() {
    return number;
  }

  /** What a number stands for; {@link #UNKNOWN} if nothing here. */
  public static Limit of(int number) {
    for (Limit one : values()) {
      if (one.number == number && one != UNKNOWN) {
        return one;
      }
    }
    return UNKNOWN;
  }
}
