// Written by bindings/generate from capi/api.json.
use crate::*;

/// The most dims a tensor can have: an array of this length holds every shape.
pub const TN_MAX_RANK: u32 = 8;

/// Version of these headers.
pub const TN_VERSION_MAJOR: u32 = 0;

pub const TN_VERSION_MINOR: u32 = 1;

pub const TN_VERSION_PATCH: u32 = 0;

pub const TN_VERSION_STRING: &str = "0.1.0";

/// One number that grows with every release: 10000 × major + 100 × minor + patch.
pub const TN_VERSION: u32 = 100;

/// Version of the binary interface that these headers describe; part of the shared library's name.
pub const TN_ABI_VERSION: u32 = 0;

pub const TN_DEVICE_TYPE_CPU: tn_device_type = 0;
pub const TN_DEVICE_TYPE_CUDA: tn_device_type = 1;

/// success; no error object has it
pub const TN_ERROR_NONE: tn_error_code = 0;
/// an argument that the function does not allow
pub const TN_ERROR_INVALID_ARGUMENT: tn_error_code = 1;
/// NULL, destroyed or of another type
pub const TN_ERROR_INVALID_HANDLE: tn_error_code = 2;
pub const TN_ERROR_OUT_OF_MEMORY: tn_error_code = 3;
/// the ONNX model is damaged or contradicts itself
pub const TN_ERROR_INVALID_MODEL: tn_error_code = 4;
/// understood, but this library cannot do it
pub const TN_ERROR_UNSUPPORTED: tn_error_code = 5;
/// the bytes are not a plan, or a damaged one
pub const TN_ERROR_INVALID_PLAN: tn_error_code = 6;
/// for another machine or library; the message says which
pub const TN_ERROR_INCOMPATIBLE_PLAN: tn_error_code = 7;
/// an index, or a shape outside the profile
pub const TN_ERROR_OUT_OF_RANGE: tn_error_code = 8;
/// another thread is using an object that takes one caller at a time
pub const TN_ERROR_BUSY: tn_error_code = 9;
/// no such name
pub const TN_ERROR_NOT_FOUND: tn_error_code = 10;
/// a file could not be read or written
pub const TN_ERROR_IO: tn_error_code = 11;
/// a progress callback asked for it
pub const TN_ERROR_CANCELLED: tn_error_code = 12;
/// see tn_limit
pub const TN_ERROR_LIMIT_EXCEEDED: tn_error_code = 13;
/// the device failed or is not there
pub const TN_ERROR_DEVICE: tn_error_code = 14;
/// a defect of the library: please report it
pub const TN_ERROR_INTERNAL: tn_error_code = 15;
/// a callback of the caller failed
pub const TN_ERROR_CALLBACK: tn_error_code = 16;

/// something failed; the function that failed says so too
pub const TN_SEVERITY_ERROR: tn_severity = 0;
/// done, but perhaps not as meant
pub const TN_SEVERITY_WARNING: tn_severity = 1;
pub const TN_SEVERITY_INFO: tn_severity = 2;
pub const TN_SEVERITY_VERBOSE: tn_severity = 3;

/// not known, or not a tensor
pub const TN_DATA_TYPE_NONE: tn_data_type = 0;
pub const TN_DATA_TYPE_FLOAT32: tn_data_type = 1;
pub const TN_DATA_TYPE_UINT8: tn_data_type = 2;
pub const TN_DATA_TYPE_INT8: tn_data_type = 3;
pub const TN_DATA_TYPE_UINT16: tn_data_type = 4;
pub const TN_DATA_TYPE_INT16: tn_data_type = 5;
pub const TN_DATA_TYPE_INT32: tn_data_type = 6;
pub const TN_DATA_TYPE_INT64: tn_data_type = 7;
/// an element is a `tn_string`, in the memory of the host
pub const TN_DATA_TYPE_STRING: tn_data_type = 8;
/// one byte per element, 0 or 1
pub const TN_DATA_TYPE_BOOL: tn_data_type = 9;
pub const TN_DATA_TYPE_FLOAT16: tn_data_type = 10;
pub const TN_DATA_TYPE_FLOAT64: tn_data_type = 11;
pub const TN_DATA_TYPE_UINT32: tn_data_type = 12;
pub const TN_DATA_TYPE_UINT64: tn_data_type = 13;
pub const TN_DATA_TYPE_BFLOAT16: tn_data_type = 16;
pub const TN_DATA_TYPE_FLOAT8_E4M3FN: tn_data_type = 17;
pub const TN_DATA_TYPE_FLOAT8_E4M3FNUZ: tn_data_type = 18;
pub const TN_DATA_TYPE_FLOAT8_E5M2: tn_data_type = 19;
pub const TN_DATA_TYPE_FLOAT8_E5M2FNUZ: tn_data_type = 20;
/// one byte per element, its low 4 bits; the others are 0
pub const TN_DATA_TYPE_UINT4: tn_data_type = 21;
/// one byte per element, its low 4 bits; the others are 0
pub const TN_DATA_TYPE_INT4: tn_data_type = 22;
/// one byte per element, its low 4 bits; the others are 0
pub const TN_DATA_TYPE_FLOAT4_E2M1: tn_data_type = 23;
/// powers of two
pub const TN_DATA_TYPE_FLOAT8_E8M0: tn_data_type = 24;
/// one byte per element, its low 2 bits; the others are 0
pub const TN_DATA_TYPE_UINT2: tn_data_type = 25;
/// one byte per element, its low 2 bits; the others are 0
pub const TN_DATA_TYPE_INT2: tn_data_type = 26;

/// row-major, no padding
pub const TN_TENSOR_FORMAT_LINEAR: tn_tensor_format = 0;
/// axis 1 moved last: N, spatial dims, C
pub const TN_TENSOR_FORMAT_CHANNELS_LAST: tn_tensor_format = 1;

pub const TN_IO_MODE_INPUT: tn_io_mode = 0;
pub const TN_IO_MODE_OUTPUT: tn_io_mode = 1;

pub const TN_TENSOR_LOCATION_HOST: tn_tensor_location = 0;
pub const TN_TENSOR_LOCATION_DEVICE: tn_tensor_location = 1;

/// the smallest dims that a context will accept
pub const TN_SHAPE_SELECTOR_MIN: tn_shape_selector = 0;
/// the dims that the plan is tuned for
pub const TN_SHAPE_SELECTOR_OPT: tn_shape_selector = 1;
/// the largest dims that a context will accept
pub const TN_SHAPE_SELECTOR_MAX: tn_shape_selector = 2;

/// operands of matrix products rounded to 10 bits of mantissa; allowed by default
pub const TN_PRECISION_TF32: tn_precision = 0;
/// tensors stored and multiplied in FP16
pub const TN_PRECISION_FP16: tn_precision = 1;
/// tensors stored and multiplied in BF16; on the CPU, multiplied only
pub const TN_PRECISION_BF16: tn_precision = 2;

/// for people
pub const TN_DOCUMENT_FORMAT_TEXT: tn_document_format = 0;
/// for programs: one JSON object
pub const TN_DOCUMENT_FORMAT_JSON: tn_document_format = 1;

/// size of an ONNX file without its external data
pub const TN_LIMIT_MODEL_BYTES: tn_limit = 0;
/// elements of one tensor
pub const TN_LIMIT_TENSOR_ELEMENTS: tn_limit = 1;
/// bytes of one tensor
pub const TN_LIMIT_TENSOR_BYTES: tn_limit = 2;
/// nodes of a model, those of its sub-graphs included
pub const TN_LIMIT_NODES: tn_limit = 3;
/// sub-graphs within sub-graphs
pub const TN_LIMIT_NESTING: tn_limit = 4;
/// length of one name
pub const TN_LIMIT_NAME_BYTES: tn_limit = 5;
/// size of a plan
pub const TN_LIMIT_PLAN_BYTES: tn_limit = 6;
/// constants that a build computes
pub const TN_LIMIT_FOLD_BYTES: tn_limit = 7;
/// parts of a model: nodes, attributes, tensors, types
pub const TN_LIMIT_MODEL_RECORDS: tn_limit = 8;
/// intermediate results of one context
pub const TN_LIMIT_ARENA_BYTES: tn_limit = 9;
