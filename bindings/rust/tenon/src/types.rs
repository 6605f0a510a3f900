//! The enumerations, elements and shapes that several objects share.
use crate::error::{check, static_text, Error, Result};
use std::ffi::CString;
use tenon_sys::*;

/// An enumeration of C's. Numbers that these names do not know, from a newer library, are `Other`.
macro_rules! c_enum {
    ($(#[$doc:meta])* $name:ident: $raw:ty { $($(#[$item:meta])* $variant:ident = $value:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$item])* $variant,)*
            /// A number of a newer library's.
            Other(i32),
        }

        impl $name {
            #[allow(dead_code)]
            pub(crate) fn from_raw(raw: $raw) -> $name {
                match raw {
                    $($value => $name::$variant,)*
                    other => $name::Other(other),
                }
            }

            #[allow(dead_code)]
            pub(crate) fn to_raw(self) -> $raw {
                match self {
                    $($name::$variant => $value,)*
                    $name::Other(other) => other,
                }
            }
        }
    };
}
pub(crate) use c_enum;

c_enum! {
    /// Type of a tensor's elements.
    DataType: tn_data_type {
        /// Not known, or not a tensor.
        None = TN_DATA_TYPE_NONE,
        /// [`f32`].
        F32 = TN_DATA_TYPE_FLOAT32,
        /// [`u8`].
        U8 = TN_DATA_TYPE_UINT8,
        /// [`i8`].
        I8 = TN_DATA_TYPE_INT8,
        /// [`u16`].
        U16 = TN_DATA_TYPE_UINT16,
        /// [`i16`].
        I16 = TN_DATA_TYPE_INT16,
        /// [`i32`].
        I32 = TN_DATA_TYPE_INT32,
        /// [`i64`].
        I64 = TN_DATA_TYPE_INT64,
        /// Texts, which have no elements of one size.
        String = TN_DATA_TYPE_STRING,
        /// [`bool`], a byte.
        Bool = TN_DATA_TYPE_BOOL,
        /// [`F16`].
        F16 = TN_DATA_TYPE_FLOAT16,
        /// [`f64`].
        F64 = TN_DATA_TYPE_FLOAT64,
        /// [`u32`].
        U32 = TN_DATA_TYPE_UINT32,
        /// [`u64`].
        U64 = TN_DATA_TYPE_UINT64,
        /// [`Bf16`].
        Bf16 = TN_DATA_TYPE_BFLOAT16,
        /// A byte: 4 bits of exponent, 3 of mantissa, no infinities.
        F8E4m3fn = TN_DATA_TYPE_FLOAT8_E4M3FN,
        /// As `F8E4m3fn` with one zero.
        F8E4m3fnuz = TN_DATA_TYPE_FLOAT8_E4M3FNUZ,
        /// A byte: 5 bits of exponent, 2 of mantissa.
        F8E5m2 = TN_DATA_TYPE_FLOAT8_E5M2,
        /// As `F8E5m2` with one zero and no infinities.
        F8E5m2fnuz = TN_DATA_TYPE_FLOAT8_E5M2FNUZ,
        /// A byte, of which the low 4 bits are the element and the others 0.
        U4 = TN_DATA_TYPE_UINT4,
        /// As `U4`, signed.
        I4 = TN_DATA_TYPE_INT4,
        /// As `U4`: a sign, 2 bits of exponent, 1 of mantissa.
        F4E2m1 = TN_DATA_TYPE_FLOAT4_E2M1,
        /// A byte: powers of two.
        F8E8m0 = TN_DATA_TYPE_FLOAT8_E8M0,
        /// A byte, of which the low 2 bits are the element and the others 0.
        U2 = TN_DATA_TYPE_UINT2,
        /// As `U2`, signed.
        I2 = TN_DATA_TYPE_INT2,
    }
}

impl DataType {
    /// `"f32"`, `"i64"`, `"bool"`; `"?"` for what is no type.
    pub fn name(self) -> &'static str {
        static_text(unsafe { tn_data_type_get_name(self.to_raw()) })
    }

    /// Bytes of one element; 0 where elements have no size.
    pub fn size(self) -> usize {
        unsafe { tn_data_type_get_size(self.to_raw()) }
    }
}

c_enum! {
    /// How the elements of a tensor lie in memory.
    TensorFormat: tn_tensor_format {
        /// Row-major, no padding.
        Linear = TN_TENSOR_FORMAT_LINEAR,
        /// Axis 1 moved last.
        ChannelsLast = TN_TENSOR_FORMAT_CHANNELS_LAST,
    }
}

c_enum! {
    /// Whether a tensor goes into a network or comes out of it.
    IoMode: tn_io_mode {
        /// Into it.
        Input = TN_IO_MODE_INPUT,
        /// Out of it.
        Output = TN_IO_MODE_OUTPUT,
    }
}

c_enum! {
    /// In which memory the buffer of a tensor lies.
    TensorLocation: tn_tensor_location {
        /// The processor's.
        Host = TN_TENSOR_LOCATION_HOST,
        /// The device's.
        Device = TN_TENSOR_LOCATION_DEVICE,
    }
}

c_enum! {
    /// One of the three shapes that a profile gives each input.
    ShapeSelector: tn_shape_selector {
        /// The smallest dims that a context will accept.
        Min = TN_SHAPE_SELECTOR_MIN,
        /// The dims that the plan is tuned for.
        Opt = TN_SHAPE_SELECTOR_OPT,
        /// The largest dims that a context will accept.
        Max = TN_SHAPE_SELECTOR_MAX,
    }
}

c_enum! {
    /// Precisions that a build may use for FP32 work.
    Precision: tn_precision {
        /// Operands of matrix products rounded to 10 bits of mantissa; allowed by default.
        Tf32 = TN_PRECISION_TF32,
        /// Tensors stored and multiplied in FP16.
        Fp16 = TN_PRECISION_FP16,
        /// Tensors stored and multiplied in BF16.
        Bf16 = TN_PRECISION_BF16,
    }
}

c_enum! {
    /// Form of a document that describes an object.
    DocumentFormat: tn_document_format {
        /// For people.
        Text = TN_DOCUMENT_FORMAT_TEXT,
        /// For programs: one JSON object.
        Json = TN_DOCUMENT_FORMAT_JSON,
    }
}

c_enum! {
    /// What a reader of untrusted bytes enforces.
    Limit: tn_limit {
        /// Size of an ONNX file without its external data.
        ModelBytes = TN_LIMIT_MODEL_BYTES,
        /// Elements of one tensor.
        TensorElements = TN_LIMIT_TENSOR_ELEMENTS,
        /// Bytes of one tensor.
        TensorBytes = TN_LIMIT_TENSOR_BYTES,
        /// Nodes of a model, those of its sub-graphs included.
        Nodes = TN_LIMIT_NODES,
        /// Sub-graphs within sub-graphs.
        Nesting = TN_LIMIT_NESTING,
        /// Length of one name.
        NameBytes = TN_LIMIT_NAME_BYTES,
        /// Size of a plan.
        PlanBytes = TN_LIMIT_PLAN_BYTES,
        /// Constants that a build computes.
        FoldBytes = TN_LIMIT_FOLD_BYTES,
        /// Parts of a model: nodes, attributes, tensors, types.
        ModelRecords = TN_LIMIT_MODEL_RECORDS,
        /// Intermediate results of one context.
        ArenaBytes = TN_LIMIT_ARENA_BYTES,
    }
}

c_enum! {
    /// How much a message matters.
    Severity: tn_severity {
        /// Something failed; the call that failed says so too.
        Error = TN_SEVERITY_ERROR,
        /// Done, but perhaps not as meant.
        Warning = TN_SEVERITY_WARNING,
        /// For information.
        Info = TN_SEVERITY_INFO,
        /// For whoever looks for a fault.
        Verbose = TN_SEVERITY_VERBOSE,
    }
}

c_enum! {
    /// Kind of a device.
    DeviceType: tn_device_type {
        /// The processor.
        Cpu = TN_DEVICE_TYPE_CPU,
        /// An NVIDIA GPU.
        Cuda = TN_DEVICE_TYPE_CUDA,
    }
}

/// The bits of a 16-bit float of IEEE 754.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct F16(pub u16);

/// The upper 16 bits of an [`f32`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(pub u16);

mod sealed {
    pub trait Sealed {}
}

/// A type of elements.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The type's number in the library.
    const DATA_TYPE: DataType;
}

/// An [`Element`] of which every pattern of bits is a value: what the library may write into a slice of the caller's. All but
/// `bool`; an output of booleans is written into `u8`.
pub trait PlainElement: Element {}

macro_rules! elements {
    ($($type:ty: $data_type:ident),*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DATA_TYPE: DataType = DataType::$data_type;
        }
        impl PlainElement for $type {}
    )*};
}
elements!(f32: F32, u8: U8, i8: I8, u16: U16, i16: I16, i32: I32, i64: I64, F16: F16, f64: F64, u32: U32, u64: U64, Bf16: Bf16);
impl sealed::Sealed for bool {}
impl Element for bool {
    const DATA_TYPE: DataType = DataType::Bool;
}

/// The dims of a getter.
pub(crate) fn dims_of(get: impl FnOnce(*mut i64, usize, *mut usize) -> tn_error_t) -> Result<Vec<i64>> {
    let mut dims = [0i64; TN_MAX_RANK as usize];
    let mut size = 0;
    check(get(dims.as_mut_ptr(), dims.len(), &mut size))?;
    Ok(dims[..size].to_vec())
}

/// The number of a getter.
pub(crate) fn value<T: Default>(get: impl FnOnce(*mut T) -> tn_error_t) -> Result<T> {
    let mut value = T::default();
    check(get(&mut value))?;
    Ok(value)
}

/// The handle of a function that makes one.
pub(crate) fn made<H>(make: impl FnOnce(*mut *mut H) -> tn_error_t) -> Result<*mut H> {
    let mut handle = std::ptr::null_mut();
    check(make(&mut handle))?;
    Ok(handle)
}

pub(crate) fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::argument(format!("{text:?} holds a zero character: leave it out")))
}

/// Elements of a shape.
pub(crate) fn count_of(dims: &[i64]) -> Result<usize> {
    let count = dims.iter().try_fold(1usize, |count, &dim| count.checked_mul(usize::try_from(dim).ok()?));
    count.ok_or_else(|| Error::argument(format!("{dims:?} is no shape: every dim must be at least 0, and their product a size")))
}

/// An owner of a handle.
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident: $raw:ty, $destroy:path) => {
        $(#[$doc])*
        pub struct $name {
            pub(crate) raw: $raw,
        }

        impl Drop for $name {
            fn drop(&mut self) {
                unsafe { $destroy(self.raw) }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use handle;

/// A handle whose type is immutable or synchronised inside: docs/c_api.md, "Threads".
macro_rules! any_thread {
    ($($name:ident),*) => {$(
        unsafe impl Send for $name {}
        unsafe impl Sync for $name {}
    )*};
}
pub(crate) use any_thread;
