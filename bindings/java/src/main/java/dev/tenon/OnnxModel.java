package dev.tenon;

import dev.tenon.internal.Raw;
import java.nio.file.Path;

/**
 * An ONNX model that has been read but not imported: it may be asked what of it is supported, and given weights. Internally
 * synchronised; any thread.
 */
public final class OnnxModel extends NativeObject {
  private OnnxModel(long handle) {
    super(handle, Raw::tn_onnx_model_destroy);
  }

  /** The file is mapped and must not change until the model, and what is made of it, is closed. */
  public static OnnxModel fromFile(Builder builder, Path path) {
    String name = needed(path, "path").toString();
    return new OnnxModel(madeOf(builder, "builder", (handle, out) -> Raw.tn_onnx_model_create_from_file(handle, name, out)));
  }

  /** From a blob, which the model keeps: nothing is copied. External data must be given. */
  public static OnnxModel fromBlob(Builder builder, Blob model) {
    return using(model, "model", blob -> new OnnxModel(madeOf(builder, "builder",
        (handle, out) -> Raw.tn_onnx_model_create_from_blob(handle, blob, out))));
  }

  /**
   * A weight in place of the model's: an initialiser's, an input's, or of a name that nothing makes. The elements lie in data
   * from the byte offset on, as in ONNX's raw_data; networks that are made from then on keep the blob.
   */
  public OnnxModel setInitializer(String name, DataType type, long[] shape, Blob data, long offset) {
    needed(name, "name");
    int number = needed(type, "type").number();
    long[] dims = needed(shape, "shape").clone();
    callWith(needed(data, "data"), (handle, blob) -> Raw.tn_onnx_model_set_initializer(handle, blob, name, number, dims, offset));
    return this;
  }

  /** Of each node whether and how it is supported, and all that is wrong. */
  public Capability capability(DocumentFormat format) {
    int number = needed(format, "format").number();
    int[] supported = new int[1];
    long document = longOf((handle, out) -> Raw.tn_onnx_model_get_capability(handle, number, supported, out));
    return capability(supported[0], document);
  }

  /** Of an operator in an op set, without a model. */
  public static Capability operatorCapability(String domain, String opType, long version, DocumentFormat format) {
    needed(domain, "domain");
    needed(opType, "opType");
    int number = needed(format, "format").number();
    int[] supported = new int[1];
    long document = made(out -> Raw.tn_onnx_operator_get_capability(domain, opType, version, number, supported, out));
    return capability(supported[0], document);
  }

  private static Capability capability(int supported, long document) {
    try (Blob blob = new Blob(document)) {
      return new Capability(supported != 0, blob.text());
    }
  }

  /**
   * What of a model or an operator is supported.
   *
   * @param supported whether all of it is
   * @param document what there is to say
   */
  public record Capability(boolean supported, String document) {}
}
