package dev.tenon;

import dev.tenon.internal.Raw;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A network as its user defined it, read from an ONNX model. Immutable; any thread. */
public final class Network extends NativeObject {
  private Network(long handle) {
    super(handle, Raw::tn_network_destroy);
  }

  /** The file is mapped and must not change until the network is closed. External data lies beneath the file's folder. */
  public static Network fromOnnxFile(Builder builder, Path path) {
    String name = needed(path, "path").toString();
    return new Network(madeOf(builder, "builder", (handle, out) -> Raw.tn_network_create_from_onnx_file(handle, name, out)));
  }

  /** From the bytes of a buffer from position to limit, which are copied. The model must not refer to external data. */
  public static Network fromOnnx(Builder builder, ByteBuffer model) {
    ByteBuffer bytes = Blob.direct(model, "model");
    return new Network(madeOf(builder, "builder", (handle, out) -> Raw.tn_network_create_from_onnx(handle, bytes, out)));
  }

  /** From bytes, which are copied. */
  public static Network fromOnnx(Builder builder, byte[] model) {
    return fromOnnx(builder, ByteBuffer.wrap(needed(model, "model")));
  }

  /** From a blob, which the network keeps: nothing is copied. */
  public static Network fromOnnx(Builder builder, Blob model) {
    return using(model, "model", blob -> new Network(madeOf(builder, "builder",
        (handle, out) -> Raw.tn_network_create_from_onnx_blob(handle, blob, out))));
  }

  /** With the weights that a model was given. */
  public static Network fromOnnxModel(OnnxModel model) {
    return new Network(madeOf(model, "model", Raw::tn_network_create_from_onnx_model));
  }

  /** An ONNX model that computes the same; its weights are in it, so that it must not exceed 2 GB. */
  public Blob toOnnx() {
    return new Blob(longOf((handle, out) -> Raw.tn_network_serialize_to_onnx(handle, null, out, null)));
  }

  /** The same, and the bytes of the file of that name beside it, which holds its larger weights. */
  public OnnxFiles toOnnx(String weightsLocation) {
    needed(weightsLocation, "weightsLocation");
    long[] weights = new long[1];
    Blob model = new Blob(longOf((handle, out) -> Raw.tn_network_serialize_to_onnx(handle, weightsLocation, out, weights)));
    return new OnnxFiles(model, new Blob(weights[0]));
  }

  /**
   * A model and the file of its larger weights.
   *
   * @param model the model
   * @param weights the file's bytes
   */
  public record OnnxFiles(Blob model, Blob weights) {}

  /** Name of the network; may be empty. */
  public String name() {
    return textOf(Raw::tn_network_get_name);
  }

  /** Inputs, then outputs, both in the network's order. */
  public List<TensorInfo> tensors() {
    List<TensorInfo> tensors = new ArrayList<>();
    long count = longOf(Raw::tn_network_get_tensor_count);
    for (long index = 0; index < count; ++index) {
      tensors.add(tensor(index));
    }
    return List.copyOf(tensors);
  }

  /** The inputs. */
  public List<TensorInfo> inputs() {
    return tensors().stream().filter(tensor -> tensor.mode() == IoMode.INPUT).toList();
  }

  /** The outputs. */
  public List<TensorInfo> outputs() {
    return tensors().stream().filter(tensor -> tensor.mode() == IoMode.OUTPUT).toList();
  }

  /**
   * A tensor by name.
   *
   * @throws TenonException NOT_FOUND; the message names what there is
   */
  public TensorInfo tensor(String name) {
    needed(name, "name");
    return tensor(longOf((handle, out) -> Raw.tn_network_find_tensor(handle, name, out)));
  }

  private TensorInfo tensor(long index) {
    List<Long> shape = null;
    List<String> names = new ArrayList<>();
    try {
      shape = Tensor.list(dimsOf((handle, dims, size) -> Raw.tn_network_get_tensor_shape(handle, index, dims, size)));
      for (int i = 0; i < shape.size(); ++i) {
        int dim = i;
        names.add(textOf((handle, buffer, size) -> Raw.tn_network_get_tensor_dim_name(handle, index, dim, buffer, size)));
      }
    } catch (TenonException exception) {
      if (exception.code() != ErrorCode.UNSUPPORTED) {
        throw exception;
      }
    }
    return new TensorInfo(
        textOf((handle, buffer, size) -> Raw.tn_network_get_tensor_name(handle, index, buffer, size)),
        IoMode.of(intOf((handle, out) -> Raw.tn_network_get_tensor_mode(handle, index, out))),
        DataType.of(intOf((handle, out) -> Raw.tn_network_get_tensor_data_type(handle, index, out))),
        shape, List.copyOf(names), TensorFormat.LINEAR, TensorLocation.HOST);
  }

  /** Number of the model's nodes. */
  public long nodeCount() {
    return longOf(Raw::tn_network_get_node_count);
  }

  /** A description: as text the graph, for people; as JSON name, inputs, outputs, weights and nodes. */
  public String information(DocumentFormat format) {
    int number = needed(format, "format").number();
    try (Blob blob = new Blob(longOf((handle, out) -> Raw.tn_network_get_information(handle, number, out)))) {
      return blob.text();
    }
  }

  @Override
  public String toString() {
    return isClosed() ? "Network (closed)" : "Network '" + name() + "' " + inputs() + " -> " + outputs();
  }
}
