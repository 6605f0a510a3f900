/**
 * @file types.h
 * Numbers that several headers share.
 *
 * Every enumeration is an `int32_t` with named constants, so that its size never depends on a compiler. A
 * function that takes one checks it and answers `TN_ERROR_INVALID_ARGUMENT` to a number it does not know. A
 * function that gives one may, in a newer library, give a number that these headers do not name: treat it as
 * "something else".
 *
 * Booleans are `int32_t`: 0 is false, 1 is true, and other numbers are refused on entry.
 */
#ifndef TENON_TYPES_H
#define TENON_TYPES_H

#include "tenon/annotations.h"

/** The most dims a tensor can have: an array of this length holds every shape. */
#define TN_MAX_RANK 8

/** Type of a tensor's elements. The numbers are those of ONNX's `TensorProto.DataType`. */
typedef int32_t tn_data_type;
TN_ENUM(tn_data_type) {
  TN_DATA_TYPE_NONE = 0,   /**< not known, or not a tensor */
  TN_DATA_TYPE_FLOAT32 = 1,
  TN_DATA_TYPE_UINT8 = 2,
  TN_DATA_TYPE_INT8 = 3,
  TN_DATA_TYPE_UINT16 = 4,
  TN_DATA_TYPE_INT16 = 5,
  TN_DATA_TYPE_INT32 = 6,
  TN_DATA_TYPE_INT64 = 7,
  TN_DATA_TYPE_STRING = 8,  /**< an element is a `tn_string`, in the memory of the host */
  TN_DATA_TYPE_BOOL = 9,   /**< one byte per element, 0 or 1 */
  TN_DATA_TYPE_FLOAT16 = 10,
  TN_DATA_TYPE_FLOAT64 = 11,
  TN_DATA_TYPE_UINT32 = 12,
  TN_DATA_TYPE_UINT64 = 13,
  TN_DATA_TYPE_BFLOAT16 = 16,
  TN_DATA_TYPE_FLOAT8_E4M3FN = 17,
  TN_DATA_TYPE_FLOAT8_E4M3FNUZ = 18,
  TN_DATA_TYPE_FLOAT8_E5M2 = 19,
  TN_DATA_TYPE_FLOAT8_E5M2FNUZ = 20,
  TN_DATA_TYPE_UINT4 = 21,        /**< one byte per element, its low 4 bits; the others are 0 */
  TN_DATA_TYPE_INT4 = 22,         /**< one byte per element, its low 4 bits; the others are 0 */
  TN_DATA_TYPE_FLOAT4_E2M1 = 23,  /**< one byte per element, its low 4 bits; the others are 0 */
  TN_DATA_TYPE_FLOAT8_E8M0 = 24,  /**< powers of two */
  TN_DATA_TYPE_UINT2 = 25,        /**< one byte per element, its low 2 bits; the others are 0 */
  TN_DATA_TYPE_INT2 = 26          /**< one byte per element, its low 2 bits; the others are 0 */
};

#ifndef SWIG
/**
 * An element of a tensor of strings: a view of UTF-8, without a terminator. All zero is the empty string.
 *
 * The bytes of an input's elements are the caller's; they are read from the run or enqueue on, and must stay until the run has
 * ended. Those of an output's elements are the execution context's: they stay until a later run of it has succeeded, whose inputs
 * they may be, or it is destroyed, and must not be written. Views that are not empty and have no bytes are refused when the run begins.
 */
typedef struct tn_string {
  const char *data;  /**< may be NULL if `size` is 0 */
  size_t size;       /**< in bytes */
} tn_string;
#endif

/** How the elements of a tensor lie in memory. */
typedef int32_t tn_tensor_format;
TN_ENUM(tn_tensor_format) {
  TN_TENSOR_FORMAT_LINEAR = 0,        /**< row-major, no padding */
  TN_TENSOR_FORMAT_CHANNELS_LAST = 1  /**< axis 1 moved last: N, spatial dims, C */
};

/** Whether a tensor goes into a network or comes out of it. */
typedef int32_t tn_io_mode;
TN_ENUM(tn_io_mode) {
  TN_IO_MODE_INPUT = 0,
  TN_IO_MODE_OUTPUT = 1
};

/** In which memory the buffer of a tensor lies. */
typedef int32_t tn_tensor_location;
TN_ENUM(tn_tensor_location) {
  TN_TENSOR_LOCATION_HOST = 0,
  TN_TENSOR_LOCATION_DEVICE = 1
};

/** One of the three shapes that a profile gives each input. */
typedef int32_t tn_shape_selector;
TN_ENUM(tn_shape_selector) {
  TN_SHAPE_SELECTOR_MIN = 0,  /**< the smallest dims that a context will accept */
  TN_SHAPE_SELECTOR_OPT = 1,  /**< the dims that the plan is tuned for */
  TN_SHAPE_SELECTOR_MAX = 2   /**< the largest dims that a context will accept */
};

/**
 * Precisions that a build may use for FP32 work on devices that have them. Allowed is not forced: a kernel that uses one is
 * taken where it is faster. Sums, softmax, normalisations and reductions are computed in FP32 in any case.
 */
typedef int32_t tn_precision;
TN_ENUM(tn_precision) {
  TN_PRECISION_TF32 = 0,  /**< operands of matrix products rounded to 10 bits of mantissa; allowed by default */
  TN_PRECISION_FP16 = 1,  /**< tensors stored and multiplied in FP16 */
  TN_PRECISION_BF16 = 2   /**< tensors stored and multiplied in BF16; on the CPU, multiplied only */
};

/** Form of a document that describes an object. */
typedef int32_t tn_document_format;
TN_ENUM(tn_document_format) {
  TN_DOCUMENT_FORMAT_TEXT = 0,  /**< for people */
  TN_DOCUMENT_FORMAT_JSON = 1   /**< for programs: one JSON object */
};

/**
 * What a reader of untrusted bytes enforces. A model or plan that exceeds one is refused with
 * `TN_ERROR_LIMIT_EXCEEDED` and a message that names the limit.
 */
typedef int32_t tn_limit;
TN_ENUM(tn_limit) {
  TN_LIMIT_MODEL_BYTES = 0,      /**< size of an ONNX file without its external data */
  TN_LIMIT_TENSOR_ELEMENTS = 1,  /**< elements of one tensor */
  TN_LIMIT_TENSOR_BYTES = 2,     /**< bytes of one tensor */
  TN_LIMIT_NODES = 3,            /**< nodes of a model, those of its sub-graphs included */
  TN_LIMIT_NESTING = 4,          /**< sub-graphs within sub-graphs */
  TN_LIMIT_NAME_BYTES = 5,       /**< length of one name */
  TN_LIMIT_PLAN_BYTES = 6,       /**< size of a plan */
  TN_LIMIT_FOLD_BYTES = 7,       /**< constants that a build computes */
  TN_LIMIT_MODEL_RECORDS = 8,    /**< parts of a model: nodes, attributes, tensors, types */
  TN_LIMIT_ARENA_BYTES = 9       /**< intermediate results of one context */
};

TN_BEGIN_DECLS

/**
 * Short name of a type ("f32", "i64", "bool"), "?" for a number that names none. Static; cannot fail; any
 * thread.
 */
TN_API TN_SINCE(0, 1) const char *tn_data_type_get_name(tn_data_type data_type) TN_NOEXCEPT;

/**
 * Bytes of one element, of strings those of a `tn_string`; 0 for `TN_DATA_TYPE_NONE` and numbers that name no type.
 * Cannot fail; any thread.
 */
TN_API TN_SINCE(0, 1) size_t tn_data_type_get_size(tn_data_type data_type) TN_NOEXCEPT;

TN_END_DECLS

#endif
