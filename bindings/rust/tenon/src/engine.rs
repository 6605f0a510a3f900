//! Engines: a verified plan with its weights in memory, ready to run.
use crate::blob::Blob;
use crate::context::{run_once, Outputs, RawContext};
use crate::error::{text, Result};
use crate::runtime::Runtime;
use crate::tensor::AsTensor;
use crate::types::*;
use std::ffi::CString;
use std::sync::{Arc, Mutex};
use tenon_sys::*;

/// What an engine says of an input or output.
pub(crate) struct TensorInfo {
    pub name: CString,
    pub text: String,
    pub input: bool,
    pub data_type: DataType,
}

pub(crate) struct Inner {
    raw: tn_engine_t,
    pub tensors: Vec<TensorInfo>,
    idle: Mutex<Vec<RawContext>>,
}

unsafe impl Send for Inner {}
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        unsafe { tn_engine_destroy(self.raw) }
    }
}

/// A plan that is loaded. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tensors = self.inner.tensors.iter();
        f.debug_map().entries(tensors.map(|t| (&t.text, if t.input { "input" } else { "output" }))).finish()
    }
}

impl Engine {
    /// Loads a plan. Fails with `InvalidPlan` (damaged) or `IncompatiblePlan` (for another machine or library).
    pub fn new(runtime: &Runtime, plan: &[u8]) -> Result<Engine> {
        let (data, size) = (plan.as_ptr().cast(), plan.len());
        let raw = made(|out| unsafe { tn_engine_create(runtime.raw, data, size, out) })?;
        let mut inner = Inner { raw, tensors: Vec::new(), idle: Mutex::default() };
        let count: usize = value(|out| unsafe { tn_engine_get_tensor_count(raw, out) })?;
        for index in 0..count {
            let text = text(|buf, size, out| unsafe { tn_engine_get_tensor_name(raw, index, buf, size, out) })?;
            let mode = value(|out| unsafe { tn_engine_get_tensor_mode(raw, index, out) })?;
            let data_type = value(|out| unsafe { tn_engine_get_tensor_data_type(raw, index, out) })?;
            inner.tensors.push(TensorInfo {
                name: c_text(&text)?,
                text,
                input: mode == TN_IO_MODE_INPUT,
                data_type: DataType::from_raw(data_type),
            });
        }
        Ok(Engine { inner: Arc::new(inner) })
    }

    pub(crate) fn raw(&self) -> tn_engine_t {
        self.inner.raw
    }

    /// Runs the network once with these inputs: all of them, by name. Contexts of profile 0 are kept for the next call; for
    /// other profiles, and to give the outputs' memory, use an [`ExecutionContext`](crate::ExecutionContext).
    pub fn run(&self, inputs: &[(&str, &dyn AsTensor)]) -> Result<Outputs> {
        let idle = || self.inner.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let kept = idle().pop();
        let mut context = match kept {
            Some(context) => context,
            None => RawContext::new(self, 0)?,
        };
        let outputs = run_once(&mut context, &self.inner.tensors, inputs)?;
        idle().push(context);
        Ok(outputs)
    }

    /// The plan with the weights that are in force.
    pub fn serialize(&self) -> Result<Blob> {
        Ok(Blob { raw: made(|out| unsafe { tn_engine_serialize(self.raw(), out) })? })
    }

    /// Name of the network; may be empty.
    pub fn name(&self) -> Result<String> {
        text(|buf, size, out| unsafe { tn_engine_get_name(self.raw(), buf, size, out) })
    }

    /// Number of threads that work for the engine.
    pub fn thread_count(&self) -> Result<i32> {
        value(|out| unsafe { tn_engine_get_thread_count(self.raw(), out) })
    }

    /// Number of inputs and outputs together. Inputs come first.
    pub fn tensor_count(&self) -> usize {
        self.inner.tensors.len()
    }

    /// The number of an input or output. Fails with `NotFound`; the message names what there is.
    pub fn find_tensor(&self, name: &str) -> Result<usize> {
        let name = c_text(name)?;
        value(|out| unsafe { tn_engine_find_tensor(self.raw(), name.as_ptr(), out) })
    }

    /// Name of an input or output.
    pub fn tensor_name(&self, index: usize) -> Result<String> {
        text(|buf, size, out| unsafe { tn_engine_get_tensor_name(self.raw(), index, buf, size, out) })
    }

    /// Whether it is an input or an output.
    pub fn tensor_mode(&self, index: usize) -> Result<IoMode> {
        value(|out| unsafe { tn_engine_get_tensor_mode(self.raw(), index, out) }).map(IoMode::from_raw)
    }

    /// Type of its elements.
    pub fn tensor_data_type(&self, index: usize) -> Result<DataType> {
        value(|out| unsafe { tn_engine_get_tensor_data_type(self.raw(), index, out) }).map(DataType::from_raw)
    }

    /// Its dims; -1 for those that depend on the shapes of the inputs.
    pub fn tensor_shape(&self, index: usize) -> Result<Vec<i64>> {
        dims_of(|dims, size, out| unsafe { tn_engine_get_tensor_shape(self.raw(), index, dims, size, out) })
    }

    /// How its elements must lie in memory.
    pub fn tensor_format(&self, index: usize) -> Result<TensorFormat> {
        value(|out| unsafe { tn_engine_get_tensor_format(self.raw(), index, out) }).map(TensorFormat::from_raw)
    }

    /// In which memory its buffer lies best.
    pub fn tensor_location(&self, index: usize) -> Result<TensorLocation> {
        value(|out| unsafe { tn_engine_get_tensor_location(self.raw(), index, out) }).map(TensorLocation::from_raw)
    }

    /// Number of the plan's profiles, at least 1.
    pub fn profile_count(&self) -> Result<i32> {
        value(|out| unsafe { tn_engine_get_profile_count(self.raw(), out) })
    }

    /// One of the shapes of an input in a profile.
    pub fn profile_shape(&self, profile: i32, input: &str, selector: ShapeSelector) -> Result<Vec<i64>> {
        let input = c_text(input)?;
        dims_of(|dims, size, out| unsafe {
            tn_engine_get_profile_shape(self.raw(), profile, input.as_ptr(), selector.to_raw(), dims, size, out)
        })
    }

    /// Bytes that each context of a profile takes for intermediate results.
    pub fn arena_size(&self, profile: i32) -> Result<u64> {
        value(|out| unsafe { tn_engine_get_arena_size(self.raw(), profile, out) })
    }

    /// Bytes that the weights take.
    pub fn weight_size(&self) -> Result<u64> {
        value(|out| unsafe { tn_engine_get_weight_size(self.raw(), out) })
    }

    /// Number of layers that a profile runs.
    pub fn layer_count(&self, profile: i32) -> Result<usize> {
        value(|out| unsafe { tn_engine_get_layer_count(self.raw(), profile, out) })
    }

    /// Name of a layer.
    pub fn layer_name(&self, profile: i32, index: usize) -> Result<String> {
        text(|buf, size, out| unsafe { tn_engine_get_layer_name(self.raw(), profile, index, buf, size, out) })
    }

    /// The kernel that computes a layer.
    pub fn layer_kernel(&self, profile: i32, index: usize) -> Result<String> {
        text(|buf, size, out| unsafe { tn_engine_get_layer_kernel(self.raw(), profile, index, buf, size, out) })
    }

    /// Names of the ONNX nodes that a layer computes, a line each.
    pub fn layer_origins(&self, profile: i32, index: usize) -> Result<String> {
        text(|buf, size, out| unsafe { tn_engine_get_layer_origins(self.raw(), profile, index, buf, size, out) })
    }
}

handle! {
    /// Describes a plan.
    EngineInspector: tn_engine_inspector_t, tn_engine_inspector_destroy
}
any_thread!(EngineInspector);

impl EngineInspector {
    /// Of an engine, which it keeps alive.
    pub fn new(engine: &Engine) -> Result<EngineInspector> {
        Ok(EngineInspector { raw: made(|out| unsafe { tn_engine_inspector_create(engine.raw(), out) })? })
    }

    /// Of a plan that is not loaded, which may be for another machine.
    pub fn of_plan(plan: &[u8]) -> Result<EngineInspector> {
        let (data, size) = (plan.as_ptr().cast(), plan.len());
        Ok(EngineInspector { raw: made(|out| unsafe { tn_engine_inspector_create_from_plan(data, size, out) })? })
    }

    /// The description.
    pub fn information(&self, format: DocumentFormat) -> Result<Blob> {
        Ok(Blob { raw: made(|out| unsafe { tn_engine_inspector_get_information(self.raw, format.to_raw(), out) })? })
    }

    /// A profile as an ONNX model to look at; `report`: of the build that made the plan, or empty.
    pub fn to_onnx(&self, profile: i32, report: &[u8]) -> Result<Blob> {
        let (data, size) = (report.as_ptr().cast(), report.len());
        let raw = made(|out| unsafe { tn_engine_inspector_serialize_to_onnx(self.raw, profile, data, size, out) })?;
        Ok(Blob { raw })
    }
}
