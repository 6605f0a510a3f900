//! Tenon, a graph compiler and runtime for trained networks.
//!
//! An ONNX model is read into a [`Network`], a [`Builder`] makes a plan of it, an [`Engine`] is a plan that is loaded, and an
//! [`ExecutionContext`] runs it.
//!
//! ```
//! # fn main() -> tenon::Result<()> {
//! # let model = tenon::doc_model();
//! let builder = tenon::Builder::new()?;
//! let network = builder.network(&model)?; // or network_from_file("model.onnx")
//! let plan = builder.build(&network, &tenon::BuilderConfig::new()?)?;
//! let engine = tenon::Engine::new(&tenon::Runtime::new()?, &plan)?;
//!
//! let x = tenon::Tensor::new(&[1, 1, 4, 4], vec![0.5f32; 16])?;
//! let outputs = engine.run(&[("x", &x)])?;
//! let y = outputs.get::<f32>("y")?;
//! assert_eq!(y.dims(), [1, 3]);
//! # Ok(())
//! # }
//! ```
//!
//! | | |
//! | --- | --- |
//! | ownership | every object owns one handle and gives it back when it is dropped, in any order: what an object needs stays alive with it |
//! | errors | [`Error`]: a code, what was wrong, where; an error of a callback's comes back as itself, a panic goes on |
//! | memory | inputs and outputs are not copied: [`ExecutionContext::bind`] borrows them for as long as it may run |
//! | threads | all objects are `Send` and `Sync`, but [`ExecutionContext`], [`Bindings`] and [`Running`], which one thread at a time may use |
//! | features | `ndarray`: arrays are inputs, and outputs give views |
#![warn(missing_docs)]

mod allocator;
mod blob;
mod builder;
mod context;
mod device;
mod engine;
mod error;
mod logger;
mod network;
mod onnx_model;
mod refitter;
mod runtime;
mod tensor;
mod types;

pub use allocator::{Allocator, AllocatorHandle, Memory};
pub use blob::Blob;
pub use builder::{Builder, BuilderConfig, OptimizationProfile, Progress, TimingCache};
pub use context::{Bindings, ExecutionContext, LayerTime, Outputs, Parts, Profiler, Running, Stream};
pub use device::Device;
pub use engine::{Engine, EngineInspector};
pub use error::{BoxError, Error, ErrorCode, Result};
pub use logger::{Log, Logger};
pub use network::Network;
pub use onnx_model::{onnx_operator_capability, Capability, OnnxModel};
pub use refitter::Refitter;
pub use runtime::Runtime;
pub use tensor::{AsTensor, DynTensor, Tensor, TensorView};
pub use types::{
    Bf16, DataType, DeviceType, DocumentFormat, Element, IoMode, Limit, PlainElement, Precision, Severity, ShapeSelector,
    TensorFormat, TensorLocation, F16,
};

/// Version of the library that is loaded: 10000 × major + 100 × minor + patch.
pub fn version() -> u32 {
    unsafe { tenon_sys::tn_version() }
}

/// Version of the binary interface of the library that is loaded.
pub fn abi_version() -> u32 {
    unsafe { tenon_sys::tn_abi_version() }
}

/// One line about how the library was built.
pub fn build_info() -> &'static str {
    error::static_text(unsafe { tenon_sys::tn_build_info() })
}

/// Objects of a type that exist in this process: `"engine"`, `"blob"`, `"internal"`, `"all"`. Fails with `NotFound`.
pub fn live_count(kind: &str) -> Result<i64> {
    let kind = types::c_text(kind)?;
    types::value(|out| unsafe { tenon_sys::tn_debug_get_live_count(kind.as_ptr(), out) })
}

/// The model of the examples in these pages.
#[doc(hidden)]
pub fn doc_model() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/small.onnx");
    std::fs::read(path).expect("the examples run in the crate's own folder")
}
