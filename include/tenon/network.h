/**
 * @file network.h
 * Networks: what a plan is built from.
 *
 * A network is read from an ONNX model. Its weights stay where they are (the mapped file, the blob) until it
 * is destroyed. Models come from anywhere, so everything in them is checked; a damaged one gives an error
 * that names the node or the place in the file.
 *
 * Thread rule: immutable; any thread.
 */
#ifndef TENON_NETWORK_H
#define TENON_NETWORK_H

#include "tenon/blob.h"
#include "tenon/types.h"

/** Makes networks and plans: see builder.h. */
typedef struct tn_builder *tn_builder_t;

/** A network as its user defined it. */
typedef struct tn_network *tn_network_t;

TN_BEGIN_DECLS

/**
 * Reads an ONNX model from a file, which is mapped and must not change until the network is destroyed.
 * External data is opened beneath the file's folder only.
 *
 * @param builder      Gives the logger and the limits.
 * @param path         UTF-8.
 * @param out_network  Receives the network.
 * @return Fails with INVALID_HANDLE, IO, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_create_from_onnx_file(tn_builder_t builder, const char *path,
                                 TN_OUT TN_OWNED tn_network_t *out_network) TN_NOEXCEPT;

/**
 * Reads an ONNX model from bytes, which are copied. It must not refer to external data.
 *
 * @param builder      Gives the logger and the limits.
 * @param data         The model; borrowed for the call.
 * @param data_size    Its size in bytes.
 * @param out_network  Receives the network.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED,
 *         OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_create_from_onnx(tn_builder_t builder, TN_LEN(data_size) const void *data, size_t data_size,
                            TN_OUT TN_OWNED tn_network_t *out_network) TN_NOEXCEPT;

/**
 * Reads an ONNX model from a blob, which the network keeps: nothing is copied. It must not refer to external
 * data.
 *
 * @param builder      Gives the logger and the limits.
 * @param blob         The model.
 * @param out_network  Receives the network.
 * @return Fails with INVALID_HANDLE, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_create_from_onnx_blob(tn_builder_t builder, tn_blob_t blob,
                                 TN_OUT TN_OWNED tn_network_t *out_network) TN_NOEXCEPT;

/** Destroys the handle. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_network_destroy(TN_NULLABLE tn_network_t network) TN_NOEXCEPT;

/**
 * Name of the network; may be empty.
 *
 * @param network   The network.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_get_name(tn_network_t network, TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                    TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * Number of the network's inputs and outputs together. Inputs come first, both in the network's order.
 *
 * @param network    The network.
 * @param out_count  Receives the number.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_get_tensor_count(tn_network_t network, TN_OUT size_t *out_count) TN_NOEXCEPT;

/**
 * The number of an input or output by its name.
 *
 * @param network    The network.
 * @param name       Name of the tensor.
 * @param out_index  Receives its number.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND; the message names what there is.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_find_tensor(tn_network_t network, const char *name, TN_OUT size_t *out_index) TN_NOEXCEPT;

/**
 * Name of an input or output.
 *
 * @param network   The network.
 * @param index     Below the number of tensors.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_get_tensor_name(tn_network_t network, size_t index, TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf,
                           size_t buf_size, TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * Whether a tensor is an input or an output.
 *
 * @param network   The network.
 * @param index     Below the number of tensors.
 * @param out_mode  Receives the mode.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_get_tensor_mode(tn_network_t network, size_t index, TN_OUT tn_io_mode *out_mode) TN_NOEXCEPT;

/**
 * Type of a tensor's elements. `TN_DATA_TYPE_NONE` for outputs whose type only a build finds out.
 *
 * @param network        The network.
 * @param index          Below the number of tensors.
 * @param out_data_type  Receives the type.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_get_tensor_data_type(tn_network_t network, size_t index,
                                TN_OUT tn_data_type *out_data_type) TN_NOEXCEPT;

/**
 * Dims of a tensor; -1 for those that depend on the shapes of the inputs. An output whose shape only a
 * build finds out gives UNSUPPORTED: ask the engine.
 *
 * @param network    The network.
 * @param index      Below the number of tensors.
 * @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 * @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 * @param out_size   Receives the number of dims.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_RANGE, UNSUPPORTED.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_get_tensor_shape(tn_network_t network, size_t index,
                            TN_OUT TN_NULLABLE TN_LEN(dims_size) int64_t *dims, size_t dims_size,
                            TN_OUT size_t *out_size) TN_NOEXCEPT;

/**
 * Name of a dynamic dim: dims of one name are equal when the network runs. Empty for dims that are not
 * dynamic.
 *
 * @param network   The network.
 * @param index     Below the number of tensors.
 * @param dim       Below the number of the tensor's dims.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE, UNSUPPORTED (as tn_network_get_tensor_shape()).
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_get_tensor_dim_name(tn_network_t network, size_t index, size_t dim,
                               TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                               TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * Number of the model's nodes.
 *
 * @param network    The network.
 * @param out_count  Receives the number.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_get_node_count(tn_network_t network, TN_OUT size_t *out_count) TN_NOEXCEPT;

/**
 * A description of the network: as text, its graph in the form that the project's documentation describes; as
 * JSON, an object with name, inputs, outputs, weights and nodes.
 *
 * @param network       The network.
 * @param format        Text or JSON.
 * @param out_document  Receives the document in UTF-8.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_get_information(tn_network_t network, tn_document_format format,
                           TN_OUT TN_OWNED tn_blob_t *out_document) TN_NOEXCEPT;

/**
 * The network as an ONNX model that computes the same: nodes, weights and names as they were imported, with calls
 * of functions replaced by the functions' nodes.
 *
 * @param network           The network.
 * @param weights_location  What the model is to name as the file of its larger weights, relative to its own
 *                          folder; NULL: they are in the model, which must not exceed 2 GB.
 * @param out_model         Receives the model.
 * @param out_weights       Receives the bytes for that file; empty without a location. May be NULL then.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_serialize_to_onnx(tn_network_t network, TN_NULLABLE const char *weights_location,
                             TN_OUT TN_OWNED tn_blob_t *out_model,
                             TN_OUT TN_OWNED TN_NULLABLE tn_blob_t *out_weights) TN_NOEXCEPT;

TN_END_DECLS

#endif
