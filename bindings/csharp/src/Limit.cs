namespace Tenon {
  /// <summary>What a reader of untrusted bytes enforces. A newer library may give numbers that are not named here.</summary>
  public enum Limit {
    /// <summary>Size of an ONNX file without its external data.</summary>
    ModelBytes = 0,
    /// <summary>Elements of one tensor.</summary>
    TensorElements = 1,
    /// <summary>Bytes of one tensor.</summary>
    TensorBytes = 2,
    /// <summary>Nodes of a model, those of its sub-graphs included.</summary>
    Nodes = 3,
    /// <summary>Sub-graphs within sub-graphs.</summary>
    Nesting = 4,
    /// <summary>Length of one name.</summary>
    NameBytes = 5,
    /// <summary>Size of a plan.</summary>
    PlanBytes = 6,
    /// <summary>Constants that a build computes.</summary>
    FoldBytes = 7,
    /// <summary>Parts of a model: nodes, attributes, tensors, types.</summary>
    ModelRecords = 8,
    /// <summary>Intermediate results of one context.</summary>
    ArenaBytes = 9,
  }
}
