//! Execution contexts: one run of an engine at a time.
use crate::engine::{Engine, TensorInfo};
use crate::error::{callback_error, check, text, BoxError, Error, ErrorCode, Result};
use crate::tensor::{AsTensor, DynTensor, TensorView};
use crate::types::{c_text, dims_of, value, DataType, Element, PlainElement};
use std::future::Future;
use std::marker::PhantomData;
use std::os::raw::c_void;
use std::pin::Pin;
use std::ptr::null_mut;
use std::sync::mpsc::{channel, Receiver};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use tenon_sys::*;

/// A context's handle, and which buffers it has that nobody answers for any more: those are taken away before it runs.
pub(crate) struct RawContext {
    raw: tn_execution_context_t,
    stale: Vec<bool>,
}

unsafe impl Send for RawContext {}

impl Drop for RawContext {
    fn drop(&mut self) {
        unsafe { tn_execution_context_destroy(self.raw) }
    }
}

impl RawContext {
    pub(crate) fn new(engine: &Engine, profile: i32) -> Result<RawContext> {
        let raw = crate::types::made(|out| unsafe { tn_execution_context_create(engine.raw(), profile, out) })?;
        Ok(RawContext { raw, stale: vec![false; engine.inner.tensors.len()] })
    }

    /// The memory must stay valid until `clear` took it away or another was set.
    unsafe fn set(&mut self, index: usize, tensor: &TensorInfo, address: *mut c_void, size: usize) -> Result<()> {
        self.stale[index] = true;
        let address = if size == 0 { null_mut() } else { address };
        check(tn_execution_context_set_buffer(self.raw, tensor.name.as_ptr(), address, size))
    }

    fn clear(&mut self, tensors: &[TensorInfo], keep: &[bool]) -> Result<()> {
        for index in 0..tensors.len() {
            if self.stale[index] && !keep[index] {
                check(unsafe { tn_execution_context_set_buffer(self.raw, tensors[index].name.as_ptr(), null_mut(), 0) })?;
                self.stale[index] = false;
            }
        }
        Ok(())
    }

    fn shape(&self, name: &std::ffi::CStr) -> Result<Vec<i64>> {
        dims_of(|dims, size, out| unsafe { tn_execution_context_get_shape(self.raw, name.as_ptr(), dims, size, out) })
    }

    fn set_shape(&self, name: &std::ffi::CStr, dims: &[i64]) -> Result<()> {
        check(unsafe { tn_execution_context_set_input_shape(self.raw, name.as_ptr(), dims.as_ptr(), dims.len()) })
    }

    /// Shape and memory of an input. The memory must stay valid as `set` says.
    unsafe fn set_input(&mut self, tensors: &[TensorInfo], name: &str, input: &dyn AsTensor) -> Result<usize> {
        let Some(index) = tensors.iter().position(|tensor| tensor.text == name) else {
            self.set_shape(&c_text(name)?, &input.dims())?; // says which inputs there are
            return Err(Error::new(ErrorCode::NotFound, format!("there is no input {name}")));
        };
        let tensor = &tensors[index];
        self.set_shape(&tensor.name, &input.dims())?;
        if !tensor.input {
            return Err(Error::argument(format!("{name} is an output: it is not given")));
        }
        check_type(tensor, input.data_type())?;
        let bytes = input.bytes()?;
        self.set(index, tensor, bytes.as_ptr() as *mut c_void, bytes.len())?;
        Ok(index)
    }
}

fn check_type(tensor: &TensorInfo, given: DataType) -> Result<()> {
    let same = given == tensor.data_type || (given == DataType::U8 && tensor.data_type == DataType::Bool && !tensor.input);
    if same {
        return Ok(());
    }
    let (name, wanted) = (&tensor.text, tensor.data_type.name());
    Err(Error::argument(format!("{name} has elements of type {wanted}, not {}: convert them", given.name())))
}

/// Sets the inputs and new outputs.
unsafe fn set_all(context: &mut RawContext, tensors: &[TensorInfo], inputs: &[(&str, &dyn AsTensor)]) -> Result<Outputs> {
    let mut bound = vec![false; tensors.len()];
    for (name, input) in inputs {
        bound[context.set_input(tensors, name, *input)?] = true;
    }
    let mut outputs = Vec::new();
    for (index, tensor) in tensors.iter().enumerate().filter(|(_, tensor)| !tensor.input) {
        let mut output = DynTensor::zeros(tensor.data_type, &context.shape(&tensor.name)?)?;
        let bytes = output.bytes_mut();
        context.set(index, tensor, bytes.as_mut_ptr().cast(), bytes.len())?;
        bound[index] = true;
        outputs.push((tensor.text.clone(), output));
    }
    context.clear(tensors, &bound)?;
    Ok(Outputs { tensors: outputs })
}

pub(crate) fn run_once(context: &mut RawContext, tensors: &[TensorInfo], inputs: &[(&str, &dyn AsTensor)]) -> Result<Outputs> {
    // The inputs are borrowed until the run has ended, and later runs do not use them: see RawContext::stale.
    let outputs = unsafe { set_all(context, tensors, inputs) }?;
    check(unsafe { tn_execution_context_run(context.raw) })?;
    Ok(outputs)
}

/// What a run gave, in the network's order.
#[derive(Clone, Debug)]
pub struct Outputs {
    tensors: Vec<(String, DynTensor)>,
}

impl Outputs {
    /// An output by name, as elements of a type. Fails with `NotFound`, or with `InvalidArgument` for another type.
    pub fn get<T: Element>(&self, name: &str) -> Result<TensorView<'_, T>> {
        self.tensor(name)?.view()
    }

    /// An output by name.
    pub fn tensor(&self, name: &str) -> Result<&DynTensor> {
        let found = self.tensors.iter().find(|(own, _)| own == name);
        found.map(|(_, tensor)| tensor).ok_or_else(|| {
            let names: Vec<_> = self.tensors.iter().map(|(own, _)| own.as_str()).collect();
            Error::new(ErrorCode::NotFound, format!("there is no output {name}; there are: {}", names.join(", ")))
        })
    }

    /// Names and tensors.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &DynTensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of outputs.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether the network has no outputs.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }
}

/// What a profiler is told of a layer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LayerTime<'a> {
    /// Its number in the context's profile.
    pub index: usize,
    /// Its name.
    pub name: &'a str,
    /// What computed it.
    pub kernel: &'a str,
    /// The ONNX nodes that it computes, a line each.
    pub origins: &'a str,
    /// How long it took.
    pub microseconds: f64,
}

/// Hears the time of each layer; closures do.
pub trait Profiler: Send + Sync + 'static {
    /// Called after each layer, on the thread that runs the network, which it holds up. It must not use a context of the
    /// engine. An error is given back by the run once it has ended.
    fn layer(&self, layer: &LayerTime<'_>) -> std::result::Result<(), BoxError>;
}

impl<F: Fn(&LayerTime<'_>) -> std::result::Result<(), BoxError> + Send + Sync + 'static> Profiler for F {
    fn layer(&self, layer: &LayerTime<'_>) -> std::result::Result<(), BoxError> {
        self(layer)
    }
}

struct Raw<P>(P);

impl<P: Profiler> ProfilerCallbacks for Raw<P> {
    fn layer(
        &self,
        index: usize,
        name: &str,
        kernel: &str,
        origins: &str,
        microseconds: f64,
    ) -> std::result::Result<(), CallbackError> {
        self.0.layer(&LayerTime { index, name, kernel, origins, microseconds }).map_err(callback_error)
    }
}

/// Times of one run beside the device's own, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// Copying the inputs whose buffers do not lie on the device.
    pub input: f64,
    /// Queueing the network's work.
    pub enqueue: f64,
    /// Copying outputs, likewise.
    pub output: f64,
}

/// A CUDA stream of the caller's, for runs that take their turn among its other work: see [`Bindings::run_on`],
/// [`Bindings::enqueue_on`] and [`ExecutionContext::enqueue_on`].
///
/// ```compile_fail,E0133
/// let stream = tenon::Stream::from_raw(std::ptr::null_mut()); // unsafe: whose it is, no type says
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(*mut c_void);

// It is a number to this program; CUDA takes it on any thread.
unsafe impl Send for Stream {}
unsafe impl Sync for Stream {}

impl Stream {
    /// Of a `cudaStream_t`, such as `stream.cu_stream()` of cudarc; null stands for the context's own. Engines on the CPU refuse
    /// every other.
    ///
    /// # Safety
    /// The stream belongs to the device of each engine that it is used with. It is not destroyed before the runs that were started
    /// on it have ended: until [`Bindings::run_on`] has returned, [`Bindings::wait`] or [`Running::wait`] has, or the context that
    /// runs is dropped. Nor does it record (`cudaStreamBeginCapture`) but in [`Bindings::enqueue_on`]: a recording uses what was
    /// bound whenever it is launched.
    pub const unsafe fn from_raw(stream: *mut c_void) -> Stream {
        Stream(stream)
    }

    /// The `cudaStream_t`.
    pub const fn as_raw(self) -> *mut c_void {
        self.0
    }
}

/// One run of an engine at a time. It may go to another thread, but is used by one at a time:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<tenon::ExecutionContext>();
/// ```
///
/// Make one per thread: contexts of one engine share its weights.
pub struct ExecutionContext {
    raw: RawContext,
    engine: Engine,
}

impl std::fmt::Debug for ExecutionContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ExecutionContext({:?})", self.engine)
    }
}

impl ExecutionContext {
    /// Of a profile of an engine, which it keeps alive, with its own arena.
    pub fn new(engine: &Engine, profile: i32) -> Result<ExecutionContext> {
        Ok(ExecutionContext { raw: RawContext::new(engine, profile)?, engine: engine.clone() })
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Changes the profile. Shapes must be set again.
    pub fn set_profile(&mut self, profile: i32) -> Result<()> {
        check(unsafe { tn_execution_context_set_profile(self.raw.raw, profile) })
    }

    /// The profile that is in use.
    pub fn profile(&self) -> Result<i32> {
        value(|out| unsafe { tn_execution_context_get_profile(self.raw.raw, out) })
    }

    /// Sets the dims of an input; giving the input does it too.
    pub fn set_input_shape(&mut self, input: &str, dims: &[i64]) -> Result<()> {
        self.raw.set_shape(&c_text(input)?, dims)
    }

    /// The dims of an input or output at the shapes that are set.
    pub fn shape(&self, tensor: &str) -> Result<Vec<i64>> {
        self.raw.shape(&c_text(tensor)?)
    }

    /// Prepares everything for the shapes that are set, so that the next run neither plans nor allocates.
    pub fn prepare(&mut self) -> Result<()> {
        check(unsafe { tn_execution_context_prepare(self.raw.raw) })
    }

    /// Runs the network with all its inputs, and gives its outputs in memory of their own. Inputs are not copied.
    pub fn run(&mut self, inputs: &[(&str, &dyn AsTensor)]) -> Result<Outputs> {
        run_once(&mut self.raw, &self.engine.inner.tensors, inputs)
    }

    /// Binds buffers for many runs: see [`Bindings`].
    pub fn bind<'b>(&mut self) -> Bindings<'_, 'b> {
        let bound = vec![false; self.engine.inner.tensors.len()];
        Bindings { context: self, outputs: Vec::new(), bound, ready: false, buffers: PhantomData }
    }

    /// Starts a run with inputs that it keeps. On the CPU with one thread the run is done when this returns.
    ///
    /// ```
    /// # fn main() -> tenon::Result<()> {
    /// # let builder = tenon::Builder::new()?;
    /// # let plan = builder.build(&builder.network(&tenon::doc_model())?, &tenon::BuilderConfig::new()?)?;
    /// # let engine = tenon::Engine::new(&tenon::Runtime::new()?, &plan)?;
    /// let context = tenon::ExecutionContext::new(&engine, 0)?;
    /// let x = tenon::Tensor::new(&[1, 1, 4, 4], vec![0.5f32; 16])?;
    /// let running = context.enqueue(vec![("x".into(), tenon::DynTensor::copy_of(&x)?)]);
    /// let (context, outputs) = running.wait(); // or `.await`
    /// assert_eq!(outputs?.get::<f32>("y")?.data().len(), 3);
    /// # drop(context);
    /// # Ok(())
    /// # }
    /// ```
    pub fn enqueue(self, inputs: Vec<(String, DynTensor)>) -> Running {
        self.enqueue_on(inputs, Stream(null_mut()))
    }

    /// As [`ExecutionContext::enqueue`], behind what is queued on a stream of the caller's. Fails on the CPU, which has none.
    pub fn enqueue_on(mut self, inputs: Vec<(String, DynTensor)>, stream: Stream) -> Running {
        let given: Vec<(&str, &dyn AsTensor)> = inputs.iter().map(|(name, input)| (name.as_str(), input as _)).collect();
        // Running holds the buffers and goes after the context, which waits.
        let outputs = unsafe { set_all(&mut self.raw, &self.engine.inner.tensors, &given) };
        let started = outputs.and_then(|outputs| {
            check(unsafe { tn_execution_context_enqueue(self.raw.raw, stream.0) })?;
            Ok(outputs)
        });
        Running { run: Some(Run { context: self, outputs: started, inputs }), waiting: None, waker: Arc::default() }
    }

    /// Sets who is told the time of each layer.
    pub fn set_profiler(&mut self, profiler: impl Profiler) -> Result<()> {
        let table = tn_profiler_callbacks_of(Box::new(Raw(profiler)));
        check(unsafe { tn_execution_context_set_profiler(self.raw.raw, &table) })
    }

    /// Nobody is told any more.
    pub fn clear_profiler(&mut self) -> Result<()> {
        check(unsafe { tn_execution_context_set_profiler(self.raw.raw, std::ptr::null()) })
    }
}

/// Buffers of the caller's that a context uses for as many runs as wanted, without a copy. They stay borrowed as long as this:
///
/// ```compile_fail,E0597
/// # fn f(context: &mut tenon::ExecutionContext) -> tenon::Result<()> {
/// let mut bound = context.bind();
/// {
///     let x = tenon::Tensor::new(&[1, 1, 4, 4], vec![0.5f32; 16])?;
///     bound.input("x", &x)?;
/// }
/// bound.run()?;
/// # Ok(())
/// # }
/// ```
///
/// ```
/// # fn main() -> tenon::Result<()> {
/// # let builder = tenon::Builder::new()?;
/// # let plan = builder.build(&builder.network(&tenon::doc_model())?, &tenon::BuilderConfig::new()?)?;
/// # let engine = tenon::Engine::new(&tenon::Runtime::new()?, &plan)?;
/// let mut context = tenon::ExecutionContext::new(&engine, 0)?;
/// let x = tenon::Tensor::new(&[1, 1, 4, 4], vec![0.5f32; 16])?;
/// let mut y = [0f32; 3];
/// let mut bound = context.bind();
/// bound.input("x", &x)?.output("y", &mut y)?;
/// bound.run()?;
/// assert_eq!(bound.values::<f32>("y")?.len(), 3);
/// bound.run()?;
/// drop(bound);
/// println!("{y:?}");
/// # Ok(())
/// # }
/// ```
pub struct Bindings<'c, 'b> {
    context: &'c mut ExecutionContext,
    outputs: Vec<(usize, *mut c_void, usize)>,
    bound: Vec<bool>,
    ready: bool,
    buffers: PhantomData<&'b mut [u8]>,
}

unsafe impl Send for Bindings<'_, '_> {}

impl<'b> Bindings<'_, 'b> {
    fn index(&self, name: &str) -> Result<usize> {
        match self.context.engine.inner.tensors.iter().position(|tensor| tensor.text == name) {
            Some(index) => Ok(index),
            None => {
                let c_name = c_text(name)?; // the call fails, and says which tensors there are
                check(unsafe { tn_execution_context_set_buffer(self.context.raw.raw, c_name.as_ptr(), null_mut(), 0) })?;
                Err(Error::new(ErrorCode::NotFound, format!("there is no input or output {name}")))
            }
        }
    }

    /// An input: its shape is set too.
    pub fn input<A: AsTensor>(&mut self, name: &str, tensor: &'b A) -> Result<&mut Self> {
        self.ready = false;
        let context = &mut *self.context;
        let index = unsafe { context.raw.set_input(&context.engine.inner.tensors, name, tensor) }?;
        self.bound[index] = true;
        Ok(self)
    }

    /// The memory of an output, at least as large as its shape says when the network runs.
    pub fn output<T: PlainElement>(&mut self, name: &str, buffer: &'b mut [T]) -> Result<&mut Self> {
        let index = self.index(name)?;
        let tensor = &self.context.engine.inner.tensors[index];
        if tensor.input {
            return Err(Error::argument(format!("{name} is an input: give it with `input`")));
        }
        check_type(tensor, T::DATA_TYPE)?;
        self.ready = false;
        let (address, size) = (buffer.as_mut_ptr() as *mut c_void, std::mem::size_of_val(buffer));
        unsafe { self.context.raw.set(index, tensor, address, size) }?;
        self.outputs.retain(|(other, ..)| *other != index);
        self.outputs.push((index, address, size));
        self.bound[index] = true;
        Ok(self)
    }

    /// As [`Bindings::output`], into a tensor of the output's type.
    pub fn output_tensor(&mut self, name: &str, tensor: &'b mut DynTensor) -> Result<&mut Self> {
        let index = self.index(name)?;
        let own = &self.context.engine.inner.tensors[index];
        if own.input {
            return Err(Error::argument(format!("{name} is an input: give it with `input`")));
        }
        check_type(own, tensor.data_type())?;
        let bytes = tensor.bytes_mut();
        let (address, size) = (bytes.as_mut_ptr() as *mut c_void, bytes.len());
        unsafe { self.raw_buffer(name, address, size) }
    }

    /// Memory that this program knows by its address alone, such as a device's.
    ///
    /// # Safety
    /// `size` bytes at `address` are valid, and used by nobody else, as long as this object lives.
    pub unsafe fn raw_buffer(&mut self, name: &str, address: *mut c_void, size: usize) -> Result<&mut Self> {
        let index = self.index(name)?;
        self.ready = false;
        self.context.raw.set(index, &self.context.engine.inner.tensors[index], address, size)?;
        self.outputs.retain(|(other, ..)| *other != index);
        self.bound[index] = true;
        Ok(self)
    }

    #[inline]
    fn make_ready(&mut self) -> Result<()> {
        if !self.ready {
            let context = &mut *self.context;
            context.raw.clear(&context.engine.inner.tensors, &self.bound)?;
            self.ready = true;
        }
        Ok(())
    }

    /// Runs the network.
    #[inline]
    pub fn run(&mut self) -> Result<()> {
        self.make_ready()?;
        check(unsafe { tn_execution_context_run(self.context.raw.raw) })
    }

    /// Runs the network behind what is queued on a stream of the caller's, and waits for its end. Fails on the CPU, which has none.
    pub fn run_on(&mut self, stream: Stream) -> Result<()> {
        // Safe: what is bound stays borrowed by this call, which waits.
        unsafe { self.enqueue_on(stream) }?;
        self.wait()
    }

    /// Starts a run behind what is queued on a stream of the caller's, whose later work finds the outputs: on a device nothing need
    /// be waited for in between. Until the run has ended every call but [`Bindings::wait`] fails with `Busy`.
    ///
    /// # Safety
    /// What is bound stays valid, and is used by nothing but work that the stream orders, until the run has ended: `wait` has
    /// returned, or the context is dropped. Dropping or forgetting this object ends the borrow, but not the run. What a stream
    /// records, each launch of the recording runs.
    pub unsafe fn enqueue_on(&mut self, stream: Stream) -> Result<()> {
        self.make_ready()?;
        check(tn_execution_context_enqueue(self.context.raw.raw, stream.0))
    }

    /// Waits for the run that [`Bindings::enqueue_on`] started, and gives its result. Returns at once if there is none.
    pub fn wait(&mut self) -> Result<()> {
        check(unsafe { tn_execution_context_wait(self.context.raw.raw) })
    }

    /// Runs it, and gives the microseconds that the device took.
    pub fn run_measured(&mut self) -> Result<f64> {
        self.make_ready()?;
        value(|out| unsafe { tn_execution_context_run_measured(self.context.raw.raw, out) })
    }

    /// Runs it one part after the other, and gives the times beside the device's own.
    pub fn run_in_parts(&mut self) -> Result<Parts> {
        self.make_ready()?;
        let mut parts = Parts::default();
        let Parts { input, enqueue, output } = &mut parts;
        check(unsafe { tn_execution_context_run_in_parts(self.context.raw.raw, input, enqueue, output) })?;
        Ok(parts)
    }

    /// Whether the next run is one replay of a recording, and how many recordings were made.
    pub fn replay(&mut self) -> Result<(bool, u64)> {
        self.make_ready()?;
        let (mut replayed, mut count) = (0, 0);
        check(unsafe { tn_execution_context_get_replay(self.context.raw.raw, &mut replayed, &mut count) })?;
        Ok((replayed != 0, count))
    }

    /// Why the next run is no replay; empty if it is one.
    pub fn replay_refusal(&mut self) -> Result<String> {
        self.make_ready()?;
        text(|buf, size, out| unsafe { tn_execution_context_get_replay_refusal(self.context.raw.raw, buf, size, out) })
    }

    /// The elements of an output that was bound as a slice, between two runs.
    pub fn values<T: PlainElement>(&self, name: &str) -> Result<&[T]> {
        let index = self.index(name)?;
        check_type(&self.context.engine.inner.tensors[index], T::DATA_TYPE)?;
        let found = self.outputs.iter().find(|(own, ..)| *own == index);
        let (_, address, size) = found.ok_or_else(|| Error::argument(format!("{name} is not bound as an output")))?;
        Ok(unsafe { std::slice::from_raw_parts(address.cast::<T>(), size / std::mem::size_of::<T>()) })
    }
}

// The context goes first: it waits for its run, which uses the others.
struct Run {
    context: ExecutionContext,
    outputs: Result<Outputs>,
    inputs: Vec<(String, DynTensor)>,
}

impl Run {
    fn wait(self) -> Finished {
        let Run { context, outputs, inputs } = self;
        let done = check(unsafe { tn_execution_context_wait(context.raw.raw) });
        drop(inputs);
        (context, outputs.and_then(|outputs| done.map(|()| outputs)))
    }
}

type Finished = (ExecutionContext, Result<Outputs>);

/// A run under way, with all that it uses. Dropping it waits for its end; awaiting it takes a thread, which waits.
pub struct Running {
    run: Option<Run>,
    waiting: Option<Receiver<std::thread::Result<Finished>>>,
    waker: Arc<Mutex<Option<Waker>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

fn finished(result: std::thread::Result<Finished>) -> Finished {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Running {
    /// Waits for the end; gives the context back, and the outputs.
    pub fn wait(mut self) -> (ExecutionContext, Result<Outputs>) {
        match (self.run.take(), self.waiting.take()) {
            (Some(run), _) => run.wait(),
            (None, Some(waiting)) => finished(waiting.recv().expect("the thread that waits answers")),
            (None, None) => panic!("the run was waited for before"),
        }
    }
}

impl Future for Running {
    type Output = (ExecutionContext, Result<Outputs>);

    fn poll(mut self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        if let Some(run) = self.run.take() {
            let (send, receive) = channel();
            let waker = self.waker.clone();
            self.waiting = Some(receive);
            *lock(&waker) = Some(task.waker().clone());
            std::thread::spawn(move || {
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.wait()));
                let _ = send.send(result);
                if let Some(waker) = lock(&waker).take() {
                    waker.wake();
                }
            });
            return Poll::Pending;
        }
        *lock(&self.waker) = Some(task.waker().clone());
        let waiting = self.waiting.as_ref().expect("a future is not polled after its end");
        match waiting.try_recv() {
            Ok(result) => {
                self.waiting = None;
                Poll::Ready(finished(result))
            }
            Err(_) => Poll::Pending,
        }
    }
}
