/**
 * @file onnx_model.h
 * ONNX models that have been read but not imported: they may be asked what of them is supported, and given weights.
 *
 * ```c
 * tn_onnx_model_t model = NULL;
 * tn_network_t network = NULL;
 * tn_onnx_model_create_from_file(builder, "model.onnx", &model);
 * tn_onnx_model_set_initializer(model, weights, "fc.weight", TN_DATA_TYPE_FLOAT, dims, 2, 0);
 * tn_network_create_from_onnx_model(model, &network);
 * ```
 * (with every returned error looked at). A model that needs neither is read by the functions of network.h at once.
 *
 * Thread rule: internally synchronised; any thread.
 */
#ifndef TENON_ONNX_MODEL_H
#define TENON_ONNX_MODEL_H

#include "tenon/blob.h"
#include "tenon/network.h"
#include "tenon/types.h"

/** An ONNX model. */
typedef struct tn_onnx_model *tn_onnx_model_t;

TN_BEGIN_DECLS

/**
 * Reads a model from a file, which is mapped and must not change until the model, and every network made of it,
 * is destroyed. External data is opened beneath the file's folder only, and only where it is needed.
 *
 * @param builder    Gives the logger and the limits.
 * @param path       UTF-8.
 * @param out_model  Receives the model.
 * @return Fails with INVALID_HANDLE, IO, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_onnx_model_create_from_file(tn_builder_t builder, const char *path,
                               TN_OUT TN_OWNED tn_onnx_model_t *out_model) TN_NOEXCEPT;

/**
 * Reads a model from a blob, which the model and its networks keep: nothing is copied. External data must be given.
 *
 * @param builder    Gives the logger and the limits.
 * @param blob       The model's bytes.
 * @param out_model  Receives the model.
 * @return Fails with INVALID_HANDLE, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_onnx_model_create_from_blob(tn_builder_t builder, tn_blob_t blob,
                               TN_OUT TN_OWNED tn_onnx_model_t *out_model) TN_NOEXCEPT;

/** Destroys the handle. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_onnx_model_destroy(TN_NULLABLE tn_onnx_model_t model) TN_NOEXCEPT;

/**
 * Gives a weight in place of the model's own: of an initialiser, whose data in the model or beside it is then not
 * looked at; of an input, which becomes a constant; or of a name that nodes read and that nothing makes. A value
 * that was given before is dropped. Networks that are made from then on have it, and keep the blob: nothing is
 * copied, but elements that do not lie as a kernel reads them (unaligned ones, types of less than a byte).
 *
 * @param model      The model.
 * @param data       Holds the elements: row-major, little-endian, those of less than a byte two or four in a
 *                   byte, as ONNX's raw_data and external data have them.
 * @param name       Name of the weight in the model.
 * @param data_type  Must be the model's, where it says.
 * @param dims       Must be the model's, where it says; may be NULL when `dims_size` is 0.
 * @param dims_size  Their number.
 * @param offset     Of the first element in `data`, in bytes.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY; the
 *         message names the weight.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_onnx_model_set_initializer(tn_onnx_model_t model, tn_blob_t data, const char *name, tn_data_type data_type,
                              TN_NULLABLE TN_LEN(dims_size) const int64_t *dims, size_t dims_size,
                              size_t offset) TN_NOEXCEPT;

/**
 * What of a model is supported: for each node whether it is, which core ops it becomes, who computes it on each
 * device, and else all that is wrong with it, with the nearest operator that is supported. No device is needed.
 *
 * @param model          The model.
 * @param format         Text or JSON: the project's page on reading ONNX models describes both.
 * @param out_supported  Receives 1 if every node that an output needs is supported and nothing else is wrong,
 *                       else 0.
 * @param out_document   Receives the document in UTF-8.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_onnx_model_get_capability(tn_onnx_model_t model, tn_document_format format, TN_OUT int32_t *out_supported,
                             TN_OUT TN_OWNED tn_blob_t *out_document) TN_NOEXCEPT;

/**
 * What of an operator is supported, without a model: in which op sets, which core ops it becomes, who computes
 * those on each device; of one that is not, the nearest that is.
 *
 * @param domain         The operator's domain; "" and "ai.onnx" are ONNX's own.
 * @param op_type        Its name.
 * @param version        Version of the domain's op set that a model imports.
 * @param format         Text or JSON.
 * @param out_supported  Receives 1 if the operator is supported in that op set, else 0.
 * @param out_document   Receives the document in UTF-8.
 * @return Fails with INVALID_ARGUMENT, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_onnx_operator_get_capability(const char *domain, const char *op_type, int64_t version,
                                tn_document_format format, TN_OUT int32_t *out_supported,
                                TN_OUT TN_OWNED tn_blob_t *out_document) TN_NOEXCEPT;

/**
 * The network that a model is, with the weights that were given.
 *
 * @param model        The model, which may be used on.
 * @param out_network  Receives the network.
 * @return Fails with INVALID_HANDLE, IO, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_network_create_from_onnx_model(tn_onnx_model_t model, TN_OUT TN_OWNED tn_network_t *out_network) TN_NOEXCEPT;

TN_END_DECLS

#endif
