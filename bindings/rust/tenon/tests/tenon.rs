//! The crate as its users see it.
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tenon::*;

fn model() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/small.onnx")).unwrap()
}

fn config() -> BuilderConfig {
    let config = BuilderConfig::new().unwrap();
    config.set_option("timer", "fake").unwrap();
    config.set_thread_count(1).unwrap();
    let profile = OptimizationProfile::new().unwrap();
    profile.set_shapes("x", &[1, 1, 4, 4], &[3, 1, 4, 4], &[8, 1, 4, 4]).unwrap();
    assert_eq!(profile.shape("x", ShapeSelector::Max).unwrap(), [8, 1, 4, 4]);
    assert_eq!(config.add_profile(&profile).unwrap(), 0);
    config
}

fn plan() -> Blob {
    let builder = Builder::new().unwrap();
    builder.build(&builder.network(&model()).unwrap(), &config()).unwrap()
}

fn engine(threads: i32) -> Engine {
    let runtime = Runtime::new().unwrap();
    runtime.set_thread_count(threads).unwrap();
    Engine::new(&runtime, &plan()).unwrap()
}

fn input(batch: i64) -> Tensor<f32> {
    let data = (0..batch * 16).map(|i| (i % 7 - 3) as f32 / 4.0).collect();
    Tensor::new(&[batch, 1, 4, 4], data).unwrap()
}

#[derive(Debug, PartialEq)]
struct Own(i32);
impl std::fmt::Display for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "own {}", self.0)
    }
}
impl std::error::Error for Own {}

#[test]
fn every_way_to_run_gives_the_same() {
    let engine = engine(1);
    let x = input(3);
    let expected = engine.run(&[("x", &x)]).unwrap();
    let expected = expected.get::<f32>("y").unwrap();
    // The suite's canary asks for another shape.
    let columns = if std::env::var_os("TENON_RUST_CANARY").is_some() { 4 } else { 3 };
    assert_eq!(expected.dims(), [3, columns]);
    assert!(expected.data().iter().any(|&v| v != 0.0));
    let mut context = ExecutionContext::new(&engine, 0).unwrap();
    for _ in 0..2 {
        let outputs = context.run(&[("x", &x)]).unwrap();
        assert_eq!(outputs.get::<f32>("y").unwrap(), expected);
        assert!(outputs.get::<i32>("y").is_err() && outputs.tensor("z").is_err());
    }
    let mut y = vec![0f32; 9];
    let address = y.as_ptr();
    let mut bound = context.bind();
    bound.input("x", &x).unwrap().output("y", &mut y).unwrap();
    bound.run().unwrap();
    assert_eq!(bound.values::<f32>("y").unwrap().as_ptr(), address, "copied");
    assert!(bound.run_measured().unwrap() >= 0.0);
    let parts = bound.run_in_parts().unwrap();
    assert!(parts.enqueue >= 0.0);
    assert_eq!(bound.replay().unwrap(), (false, 0));
    assert!(!bound.replay_refusal().unwrap().is_empty());
    drop(bound);
    assert_eq!(y, expected.data());
    let running = context.enqueue(vec![("x".into(), DynTensor::copy_of(&x).unwrap())]);
    let (_context, outputs) = running.wait();
    assert_eq!(outputs.unwrap().get::<f32>("y").unwrap(), expected);
}

#[test]
fn a_buffer_whose_borrow_has_ended_is_not_used() {
    let engine = engine(1);
    let mut context = ExecutionContext::new(&engine, 0).unwrap();
    let x = input(1);
    {
        let mut y = vec![0f32; 3];
        let mut bound = context.bind();
        bound.input("x", &x).unwrap().output("y", &mut y).unwrap();
        bound.run().unwrap();
        std::mem::forget(bound);
    }
    let error = context.bind().run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let mut bound = context.bind();
    bound.input("x", &x).unwrap();
    assert_eq!(bound.run().unwrap_err().code(), ErrorCode::InvalidArgument);
    drop(bound);
    assert!(context.run(&[]).is_err());
}

#[test]
fn types_and_shapes_are_checked() {
    let engine = engine(1);
    let mut context = ExecutionContext::new(&engine, 0).unwrap();
    let wrong = Tensor::new(&[1, 1, 4, 4], vec![0f64; 16]).unwrap();
    let error = context.run(&[("x", &wrong)]).unwrap_err();
    assert!(error.message().contains("f32") && error.message().contains("f64"), "{error}");
    let error = context.run(&[("nobody", &input(1))]).unwrap_err();
    assert!(matches!(error.code(), ErrorCode::NotFound | ErrorCode::InvalidArgument), "{error:?}");
    assert_eq!(context.run(&[("x", &input(9))]).unwrap_err().code(), ErrorCode::OutOfRange);
    let mut y = [0f32; 2];
    let x = input(1);
    let mut bound = context.bind();
    bound.input("x", &x).unwrap().output("y", &mut y).unwrap();
    assert_eq!(bound.run().unwrap_err().code(), ErrorCode::InvalidArgument);
    let (mut integers, mut floats) = ([0i32; 3], [0f32; 3]);
    assert!(bound.output("y", &mut integers).is_err() && bound.output("x", &mut floats).is_err());
    assert!(bound.input("y", &x).is_err());
    assert!(Tensor::new(&[-1], vec![0u8; 1]).is_err() && Tensor::new(&[i64::MAX, 4], vec![0u8]).is_err());
    assert!(DynTensor::zeros(DataType::F32, &[i64::MAX]).is_err() && DynTensor::zeros(DataType::String, &[1]).is_err());
    let mut booleans = DynTensor::zeros(DataType::Bool, &[2]).unwrap();
    assert_eq!(booleans.view::<bool>().unwrap().data(), [false, false]);
    booleans.bytes_mut()[1] = 2;
    assert!(booleans.view::<bool>().is_err());
    assert!(Device::new("a\0b").is_err());
}

#[test]
fn errors_of_callbacks_come_back_as_themselves() {
    let builder = Builder::new().unwrap();
    let network = builder.network(&model()).unwrap();
    let config = config();
    let dropped = Arc::new(());
    let held = dropped.clone();
    config
        .set_progress(move |_: &str, _: f64| {
            let _ = &held;
            Err(Box::new(Own(7)) as BoxError)
        })
        .unwrap();
    let error = builder.build(&network, &config).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Callback);
    assert_eq!(error.downcast_ref::<Own>(), Some(&Own(7)));
    assert_eq!(error.downcast::<Own>().unwrap(), Own(7));
    config.set_progress(|_: &str, _: f64| Err(Error::new(ErrorCode::Cancelled, "stop").into())).unwrap();
    assert_eq!(Arc::strong_count(&dropped), 1, "the closure that was replaced is dropped");
    let error = builder.build(&network, &config).unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::Cancelled, "stop"));
    config.set_progress(|_: &str, _: f64| -> std::result::Result<(), BoxError> { std::panic::panic_any(4711i32) }).unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| builder.build(&network, &config))).unwrap_err();
    assert_eq!(panic.downcast_ref::<i32>(), Some(&4711));
    config.clear_progress().unwrap();
    builder.build(&network, &config).unwrap();
}

#[test]
fn profiler_logger_and_reports() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let messages = seen.clone();
    let logger =
        Logger::new(move |s: Severity, m: &str| messages.lock().unwrap().push((s, m.to_owned())), Severity::Verbose).unwrap();
    let builder = Builder::new().unwrap();
    builder.set_logger(Some(&logger)).unwrap();
    let network = builder.network(&model()).unwrap();
    let (plan, report) = builder.build_with_report(&network, &config()).unwrap();
    assert!(report.text().unwrap().starts_with('{') && !seen.lock().unwrap().is_empty());
    builder.set_logger(None).unwrap();
    let engine = Engine::new(&Runtime::new().unwrap(), &plan).unwrap();
    let mut context = ExecutionContext::new(&engine, 0).unwrap();
    let layers = Arc::new(Mutex::new(Vec::new()));
    let heard = layers.clone();
    context
        .set_profiler(move |layer: &LayerTime<'_>| {
            heard.lock().unwrap().push((layer.index, layer.kernel.to_owned()));
            Ok(())
        })
        .unwrap();
    context.run(&[("x", &input(2))]).unwrap();
    let expected: Vec<_> = (0..engine.layer_count(0).unwrap()).map(|i| (i, engine.layer_kernel(0, i).unwrap())).collect();
    assert_eq!(*layers.lock().unwrap(), expected);
    context.set_profiler(|_: &LayerTime<'_>| Err(Box::new(Own(1)) as BoxError)).unwrap();
    assert_eq!(context.run(&[("x", &input(2))]).unwrap_err().downcast::<Own>().unwrap(), Own(1));
    context.clear_profiler().unwrap();
    context.run(&[("x", &input(2))]).unwrap();
}

struct Counting {
    bytes: Arc<AtomicUsize>,
    refuse: bool,
}
impl Allocator for Counting {
    fn allocate(&self, size: usize, alignment: usize) -> std::result::Result<Option<Memory>, BoxError> {
        if self.refuse {
            return Err(Box::new(Own(2)));
        }
        self.bytes.fetch_add(size, SeqCst);
        Ok(Memory::heap(size, alignment))
    }
    fn deallocate(&self, _memory: Memory, size: usize, _alignment: usize) {
        self.bytes.fetch_sub(size, SeqCst);
    }
}

#[test]
fn allocators() {
    let bytes = Arc::new(AtomicUsize::new(0));
    let runtime = Runtime::new().unwrap();
    let plan = plan();
    let make = |refuse| AllocatorHandle::new(Counting { bytes: bytes.clone(), refuse }).unwrap();
    runtime.set_allocator(Some(&make(true))).unwrap();
    assert_eq!(Engine::new(&runtime, &plan).unwrap_err().downcast::<Own>().unwrap(), Own(2));
    runtime.set_allocator(Some(&make(false))).unwrap();
    let engine = Engine::new(&runtime, &plan).unwrap();
    engine.run(&[("x", &input(1))]).unwrap();
    assert!(bytes.load(SeqCst) > 0);
    drop(engine);
    assert_eq!(bytes.load(SeqCst), 0);
    runtime.set_allocator(None).unwrap();
}

#[test]
fn refit_and_inspect() {
    let engine = engine(1);
    let before = engine.run(&[("x", &input(1))]).unwrap();
    let refitter = Refitter::new(&engine).unwrap();
    let names: Vec<_> = (0..refitter.weight_count().unwrap()).map(|i| refitter.weight_name(i).unwrap()).collect();
    assert!(!names.is_empty());
    for (index, name) in names.iter().enumerate() {
        assert_eq!(refitter.find_weight(name).unwrap(), index);
        if !refitter.pin_reason(index).unwrap().is_empty() {
            continue;
        }
        let dims = refitter.weight_shape(index).unwrap();
        let zeros = DynTensor::zeros(refitter.weight_data_type(index).unwrap(), &dims).unwrap();
        refitter.set_weight(name, &zeros).unwrap();
    }
    assert_eq!(refitter.missing().unwrap(), Vec::<String>::new());
    refitter.apply().unwrap();
    let after = engine.run(&[("x", &input(1))]).unwrap();
    assert_ne!(before.get::<f32>("y").unwrap(), after.get::<f32>("y").unwrap());
    let network = Builder::new().unwrap().network(&model()).unwrap();
    assert!(refitter.set_weights_from_network(&network).unwrap() > 0);
    refitter.apply().unwrap();
    let again = engine.run(&[("x", &input(1))]).unwrap();
    assert_eq!(before.get::<f32>("y").unwrap(), again.get::<f32>("y").unwrap());
    let inspector = EngineInspector::new(&engine).unwrap();
    let plan = engine.serialize().unwrap();
    let other = EngineInspector::of_plan(&plan).unwrap();
    let text = inspector.information(DocumentFormat::Text).unwrap();
    assert!(text.text().unwrap().contains('x') && !other.information(DocumentFormat::Json).unwrap().is_empty());
}

#[test]
fn weights_that_are_combined_are_set_together() {
    let builder = Builder::new().unwrap();
    let network = builder.network(include_bytes!("combined.onnx")).unwrap();
    let config = BuilderConfig::new().unwrap();
    config.set_option("timer", "fake").unwrap();
    let engine = Engine::new(&Runtime::new().unwrap(), &builder.build(&network, &config).unwrap()).unwrap();
    let refitter = Refitter::new(&engine).unwrap();
    refitter.set_weight("a", &Tensor::new(&[3], vec![5f32, 6.0, 7.0]).unwrap()).unwrap();
    assert_eq!(refitter.missing().unwrap(), ["b"]);
    let error = refitter.apply().unwrap_err();
    assert_eq!((error.code(), error.trail().count()), (ErrorCode::InvalidArgument, 1));
    refitter.set_weight("b", &Tensor::new(&[3], vec![1f32, 1.0, 1.0]).unwrap()).unwrap();
    refitter.apply().unwrap();
    let outputs = engine.run(&[("x", &Tensor::new(&[2, 3], vec![0f32; 6]).unwrap())]).unwrap();
    assert_eq!(outputs.get::<f32>("y").unwrap().data()[..3], [6.0, 7.0, 8.0]);
}

#[test]
fn what_objects_say_of_themselves() {
    assert_eq!(version(), 100);
    assert_eq!(abi_version(), 0);
    assert!(build_info().starts_with("tenon "));
    assert_eq!((DataType::F16.name(), DataType::F16.size(), ErrorCode::Busy.name()), ("f16", 2, "BUSY"));
    assert!(Device::names().unwrap().contains(&"cpu".to_string()));
    let cpu = Device::new("cpu").unwrap();
    assert_eq!((cpu.device_type().unwrap(), cpu.name().unwrap()), (DeviceType::Cpu, "cpu".into()));
    assert!(cpu.thread_count().unwrap() > 0 && !cpu.features().unwrap().is_empty());
    let builder = Builder::new().unwrap();
    builder.set_limit(Limit::Nodes, 1).unwrap();
    assert_eq!(builder.limit(Limit::Nodes).unwrap(), 1);
    assert_eq!(builder.network(&model()).unwrap_err().code(), ErrorCode::LimitExceeded);
    let builder = Builder::new().unwrap();
    let blob = Blob::from_vec(model()).unwrap();
    let network = builder.network_from_blob(&blob.share().unwrap()).unwrap();
    drop(blob);
    let file = format!("{}/modèle.onnx", std::env::temp_dir().display());
    Blob::copy(&model()).unwrap().save(&file).unwrap();
    assert_eq!(&*Blob::from_file(&file).unwrap(), model());
    assert_eq!(builder.network_from_file(&file).unwrap().node_count().unwrap(), network.node_count().unwrap());
    assert_eq!(Blob::from_file("/no/such").unwrap_err().code(), ErrorCode::Io);
    assert_eq!((network.tensor_count().unwrap(), network.find_tensor("y").unwrap()), (2, 1));
    assert_eq!((network.tensor_name(0).unwrap(), network.tensor_mode(0).unwrap()), ("x".into(), IoMode::Input));
    assert_eq!(network.tensor_data_type(0).unwrap(), DataType::F32);
    assert_eq!(network.tensor_shape(0).unwrap()[1..], [1, 4, 4]);
    assert!(!network.tensor_dim_name(0, 0).unwrap().is_empty() && network.name().is_ok());
    assert!(network.information(DocumentFormat::Json).unwrap().text().unwrap().starts_with('{'));
    let config = config();
    config.set_device(&cpu).unwrap();
    config.set_onednn_enabled(false).unwrap();
    config.set_optimization_level(2).unwrap();
    config.set_deadline(30.0).unwrap();
    config.set_precision_allowed(Precision::Tf32, false).unwrap();
    assert_eq!((config.thread_count().unwrap(), config.profile_count().unwrap()), (1, 1));
    assert_eq!((config.onednn_enabled().unwrap(), config.optimization_level().unwrap()), (false, 2));
    assert_eq!((config.deadline().unwrap(), config.option("timer").unwrap()), (30.0, "fake".into()));
    assert!(!config.precision_allowed(Precision::Tf32).unwrap());
    let cache = TimingCache::new().unwrap();
    config.set_timing_cache(Some(&cache)).unwrap();
    builder.build(&network, &config).unwrap();
    let other = TimingCache::new().unwrap();
    other.load(&cache.serialize().unwrap()).unwrap();
    other.merge(&cache).unwrap();
    assert!(cache.count().unwrap() > 0 && other.count().unwrap() == cache.count().unwrap());
    config.set_timing_cache(None).unwrap();
    let runtime = Runtime::new().unwrap();
    runtime.set_limit(Limit::PlanBytes, 10).unwrap();
    assert_eq!((runtime.limit(Limit::PlanBytes).unwrap(), runtime.thread_count().unwrap()), (10, 0));
    assert_eq!(Engine::new(&runtime, &plan()).unwrap_err().code(), ErrorCode::LimitExceeded);
    let logger = Logger::new(|_: Severity, _: &str| {}, Severity::Error).unwrap();
    runtime.set_logger(Some(&logger)).unwrap();
    let engine = engine(2);
    assert_eq!((engine.thread_count().unwrap(), engine.profile_count().unwrap(), engine.tensor_count()), (2, 1, 2));
    assert_eq!((engine.find_tensor("y").unwrap(), engine.tensor_name(1).unwrap()), (1, "y".into()));
    assert_eq!((engine.tensor_mode(1).unwrap(), engine.tensor_data_type(1).unwrap()), (IoMode::Output, DataType::F32));
    assert_eq!((engine.tensor_shape(1).unwrap(), engine.tensor_format(1).unwrap()), (vec![-1, 3], TensorFormat::Linear));
    assert_eq!(engine.tensor_location(1).unwrap(), TensorLocation::Host);
    assert_eq!(engine.profile_shape(0, "x", ShapeSelector::Min).unwrap(), [1, 1, 4, 4]);
    assert!(engine.arena_size(0).is_ok() && engine.weight_size().unwrap() > 0 && engine.name().is_ok());
    assert!(!engine.layer_name(0, 0).unwrap().is_empty() && engine.layer_origins(0, 0).is_ok());
    let mut context = ExecutionContext::new(&engine, 0).unwrap();
    context.set_profile(0).unwrap();
    assert_eq!((context.profile().unwrap(), context.engine().tensor_count()), (0, 2));
    context.set_input_shape("x", &[5, 1, 4, 4]).unwrap();
    context.prepare().unwrap();
    assert_eq!(context.shape("y").unwrap(), [5, 3]);
    assert_eq!(live_count("nothing").unwrap_err().code(), ErrorCode::NotFound);
    assert!(live_count("engine").unwrap() > 0);
}

struct Wake(std::thread::Thread);
impl std::task::Wake for Wake {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_run_is_a_future() {
    use std::future::Future;
    let engine = engine(2);
    let x = input(4);
    let expected = engine.run(&[("x", &x)]).unwrap();
    let mut context = ExecutionContext::new(&engine, 0).unwrap();
    let waker = Arc::new(Wake(std::thread::current())).into();
    for _ in 0..20 {
        let mut running = Box::pin(context.enqueue(vec![("x".into(), DynTensor::copy_of(&x).unwrap())]));
        let (back, outputs) = loop {
            match running.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
                std::task::Poll::Ready(done) => break done,
                std::task::Poll::Pending => std::thread::park(),
            }
        };
        assert_eq!(outputs.unwrap().get::<f32>("y").unwrap(), expected.get::<f32>("y").unwrap());
        context = back;
    }
    drop(context.enqueue(vec![("x".into(), DynTensor::copy_of(&x).unwrap())])); // waits
    let (_, failed) = ExecutionContext::new(&engine, 0).unwrap().enqueue(vec![]).wait();
    assert!(failed.is_err());
}

#[test]
fn one_engine_serves_many_threads() {
    fn both<T: Send + Sync>() {}
    fn one<T: Send>() {}
    both::<Engine>();
    both::<Error>();
    both::<Builder>();
    both::<Refitter>();
    one::<ExecutionContext>();
    one::<Running>();
    let engine = engine(2);
    let expected = engine.run(&[("x", &input(3))]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let outputs = engine.run(&[("x", &input(3))]).unwrap();
                    assert_eq!(outputs.get::<f32>("y").unwrap(), expected.get::<f32>("y").unwrap());
                }
            });
        }
    });
}

/// A stream of the caller's: the CPU has none, null stands for the context's own.
#[test]
fn streams() {
    let engine = engine(1);
    let (x, mut y) = (input(3), vec![0f32; 9]);
    let expected = engine.run(&[("x", &x)]).unwrap();
    let expected = expected.get::<f32>("y").unwrap().data().to_vec();
    let (own, other) = unsafe { (Stream::from_raw(std::ptr::null_mut()), Stream::from_raw(16 as *mut _)) };
    assert_eq!(other.as_raw() as usize, 16);
    let mut context = ExecutionContext::new(&engine, 0).unwrap();
    let mut bound = context.bind();
    bound.input("x", &x).unwrap().output("y", &mut y).unwrap();
    bound.wait().unwrap(); // for nothing
    bound.run_on(own).unwrap();
    assert_eq!(bound.values::<f32>("y").unwrap(), expected);
    assert_eq!(bound.run_on(other).unwrap_err().code(), ErrorCode::InvalidArgument);
    unsafe { bound.enqueue_on(own) }.unwrap();
    bound.wait().unwrap();
    assert_eq!(unsafe { bound.enqueue_on(other) }.unwrap_err().code(), ErrorCode::InvalidArgument);
    bound.run().unwrap();
    assert_eq!(y, expected);
    let given = || vec![("x".into(), DynTensor::copy_of(&x).unwrap())];
    let (context, outputs) = context.enqueue_on(given(), own).wait();
    assert_eq!(outputs.unwrap().get::<f32>("y").unwrap().data(), expected);
    let (mut context, refused) = context.enqueue_on(given(), other).wait();
    assert!(refused.unwrap_err().message().contains("stream"));
    context.run(&[("x", &x)]).unwrap();
}

#[cfg(feature = "ndarray")]
#[test]
fn arrays() {
    let engine = engine(1);
    let x = ndarray::Array4::from_shape_vec((3, 1, 4, 4), input(3).into_data()).unwrap();
    let outputs = engine.run(&[("x", &x)]).unwrap();
    let y = outputs.get::<f32>("y").unwrap();
    assert_eq!(y.array().shape(), [3, 3]);
    assert_eq!(y.array().as_ptr(), y.data().as_ptr());
    let turned = x.t();
    assert!(engine.run(&[("x", &turned)]).is_err());
}

#[test]
fn models_are_asked_and_given_weights() {
    assert!(onnx_operator_capability("", "Relu", 17, DocumentFormat::Json).unwrap().supported);
    let unknown = onnx_operator_capability("com.x", "Relu", 1, DocumentFormat::Text).unwrap();
    assert!(!unknown.supported && unknown.document.text().unwrap().contains("nearest: ai.onnx.Relu"));
    let builder = Builder::new().unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/small.onnx");
    let model = OnnxModel::from_file(&builder, path).unwrap();
    let same = OnnxModel::from_blob(&builder, &Blob::copy(&crate::model()).unwrap()).unwrap();
    let (a, b) = (model.capability(DocumentFormat::Json).unwrap(), same.capability(DocumentFormat::Json).unwrap());
    assert!(a.supported && a.document.text() == b.document.text());
    let zeros = Blob::from_vec(vec![0; 16]).unwrap();
    same.set_initializer("b2", DataType::F32, &[3], &zeros, 4).unwrap();
    assert_eq!(same.set_initializer("b2", DataType::F32, &[3], &zeros, 8).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(same.set_initializer("z", DataType::F32, &[3], &zeros, 0).unwrap_err().code(), ErrorCode::NotFound);
    let network = same.network().unwrap();
    let written = network.to_onnx().unwrap();
    assert_eq!(builder.network(written.bytes()).unwrap().node_count().unwrap(), network.node_count().unwrap());
    let (small, weights) = network.to_onnx_with_weights("weights.bin").unwrap();
    assert!(!small.is_empty() && weights.len() < written.len());
    let inspector = EngineInspector::of_plan(&plan()).unwrap();
    assert!(!inspector.to_onnx(0, b"").unwrap().is_empty());
    assert_eq!(inspector.to_onnx(0, b"{}").unwrap_err().code(), ErrorCode::InvalidArgument);
}
