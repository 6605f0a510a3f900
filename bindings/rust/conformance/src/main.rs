//! The runner of Rust: docs/conformance.md.
mod json;

use json::Json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use tenon::*;

enum Object {
    Network(Network),
    Config(BuilderConfig, Option<Arc<Heard>>),
    Blob(Blob),
    Cache(TimingCache),
    Engine(Engine),
    Allocator(AllocatorHandle, Arc<Counted>),
    Context(Box<Held>),
}

/// A context, and the buffers of its `buffer` steps.
struct Held {
    context: Option<ExecutionContext>,
    buffers: Vec<(String, Vec<u64>, usize)>,
}

#[derive(Default)]
struct Heard {
    phases: AtomicUsize,
    bad: AtomicUsize,
    last: Mutex<f64>,
}

#[derive(Default)]
struct Counted {
    calls: AtomicUsize,
    blocks: AtomicI64,
    bytes: AtomicI64,
}

/// The exception of this program's own callbacks.
#[derive(Debug)]
struct Own(&'static str);
impl std::fmt::Display for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}
impl std::error::Error for Own {}

fn throw(message: &'static str) -> BoxError {
    Box::new(Own(message))
}

struct Allocating(Arc<Counted>, bool);
impl Allocator for Allocating {
    fn allocate(&self, size: usize, alignment: usize) -> std::result::Result<Option<Memory>, BoxError> {
        if self.1 {
            return Err(throw("no memory on purpose"));
        }
        self.0.calls.fetch_add(1, SeqCst);
        self.0.blocks.fetch_add(1, SeqCst);
        self.0.bytes.fetch_add(size as i64, SeqCst);
        Ok(Memory::heap(size, alignment))
    }

    fn deallocate(&self, _memory: Memory, size: usize, _alignment: usize) {
        self.0.blocks.fetch_sub(1, SeqCst);
        self.0.bytes.fetch_sub(size as i64, SeqCst);
    }
}

enum Failure {
    Error(Error),
    /// The object is not in the map: it cannot be used, or cannot be used now.
    Ruled(&'static str),
}
impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}
type Done<T = ()> = std::result::Result<T, Failure>;

fn one_line(text: &str) -> String {
    text.replace('\n', " / ")
}

fn yes(good: bool) -> &'static str {
    if good {
        "yes"
    } else {
        "no"
    }
}

fn dims_text(dims: &[i64]) -> String {
    format!("[{}]", dims.iter().map(i64::to_string).collect::<Vec<_>>().join(","))
}

fn tensor_of(given: &Json, data_type: DataType) -> Result<DynTensor> {
    let mut tensor = DynTensor::zeros(data_type, &given.get("dims").unwrap().integers())?;
    let size = data_type.size();
    for (value, bytes) in given.get("values").unwrap().items().iter().zip(tensor.bytes_mut().chunks_mut(size)) {
        match data_type {
            DataType::F32 => bytes.copy_from_slice(&(value.number() as f32).to_ne_bytes()),
            DataType::I32 => bytes.copy_from_slice(&(value.number() as i32).to_ne_bytes()),
            _ => panic!("the scenarios have no inputs of this type"),
        }
    }
    Ok(tensor)
}

fn values_text(tensor: &DynTensor) -> Result<String> {
    let values: Vec<f64> = match tensor.data_type() {
        DataType::F32 => tensor.view::<f32>()?.data().iter().map(|&v| f64::from(v)).collect(),
        DataType::I32 => tensor.view::<i32>()?.data().iter().map(|&v| f64::from(v)).collect(),
        DataType::Bool => tensor.view::<bool>()?.data().iter().map(|&v| f64::from(u8::from(v))).collect(),
        _ => vec![0.5; tensor.dims().iter().product::<i64>() as usize],
    };
    let text = |v: f64| if v.abs() < 1e15 && v.fract() == 0.0 { format!(" {}", v as i64) } else { " ?".into() };
    Ok(values.into_iter().map(text).collect())
}

fn mode_name(mode: IoMode) -> &'static str {
    if mode == IoMode::Input {
        "input"
    } else {
        "output"
    }
}

fn data_types(engine: &Engine) -> Result<Vec<(String, IoMode, DataType)>> {
    (0..engine.tensor_count())
        .map(|i| Ok((engine.tensor_name(i)?, engine.tensor_mode(i)?, engine.tensor_data_type(i)?)))
        .collect()
}

fn inputs_of(engine: &Engine, given: &Json) -> Result<Vec<(String, DynTensor)>> {
    let types = data_types(engine)?;
    let type_of = |name: &str| types.iter().find(|(own, ..)| own == name).map_or(DataType::F32, |(.., t)| *t);
    given.fields().iter().map(|(name, value)| Ok((name.clone(), tensor_of(value, type_of(name))?))).collect()
}

fn run_inputs(context: &mut ExecutionContext, inputs: &[(String, DynTensor)]) -> Result<Outputs> {
    let given: Vec<(&str, &dyn AsTensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor as _)).collect();
    context.run(&given)
}

fn log_lines() -> Result<(Logger, Arc<Mutex<Vec<String>>>)> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = lines.clone();
    let log = move |severity: Severity, message: &str| {
        let severity = format!("{severity:?}").to_lowercase();
        seen.lock().unwrap().push(format!("  log {severity} {}", one_line(message)));
    };
    Ok((Logger::new(log, Severity::Warning)?, lines))
}

struct Runner {
    builder: Builder,
    objects: BTreeMap<String, Object>,
    logged: Option<Arc<Mutex<Vec<String>>>>,
}

macro_rules! object {
    ($self:ident, $step:ident, $key:literal, $kind:ident) => {
        match $self.objects.get($step.get($key).unwrap().text()) {
            Some(Object::$kind(object, ..)) => object,
            _ => return Err(Failure::Ruled("INVALID_HANDLE")),
        }
    };
}

impl Runner {
    fn keep(&mut self, step: &Json, object: Object) {
        self.objects.insert(step.get("as").unwrap().text().into(), object);
    }

    fn context(&mut self, step: &Json) -> Done<&mut Held> {
        match self.objects.get_mut(step.get("context").unwrap().text()) {
            Some(Object::Context(held)) => Ok(held),
            _ => Err(Failure::Ruled("INVALID_HANDLE")),
        }
    }

    fn logger(&mut self, step: &Json) -> Result<Option<Logger>> {
        if step.get("log").is_none() {
            return Ok(None);
        }
        let (logger, lines) = log_lines()?;
        self.logged = Some(lines);
        Ok(Some(logger))
    }

    fn network(&mut self, step: &Json) -> Done {
        let file = step.get("file").unwrap().text();
        let logger = self.logger(step)?;
        let own;
        let mut builder = &self.builder;
        if step.get("nodes").is_some() || step.get("log").is_some() {
            own = Builder::new()?;
            if let Some(nodes) = step.get("nodes") {
                own.set_limit(Limit::Nodes, nodes.number() as i64)?;
            }
            own.set_logger(logger.as_ref())?;
            builder = &own;
        }
        let network = match step.get("from").map_or("file", Json::text) {
            "file" => builder.network_from_file(file)?,
            "blob" => builder.network_from_blob(&Blob::from_file(file)?)?,
            _ => builder.network(&Blob::from_file(file)?)?,
        };
        let name = network.name()?;
        println!("  network {} nodes {}", if name.is_empty() { "-" } else { &name }, network.node_count()?);
        for i in 0..network.tensor_count()? {
            let dims = match network.tensor_shape(i) {
                Ok(dims) => {
                    let mut texts = Vec::new();
                    for (d, dim) in dims.iter().enumerate() {
                        let name = network.tensor_dim_name(i, d)?;
                        texts.push(if name.is_empty() { dim.to_string() } else { name });
                    }
                    format!("[{}]", texts.join(","))
                }
                Err(error) if error.code() == ErrorCode::Unsupported => "?".into(),
                Err(error) => return Err(error.into()),
            };
            println!(
                "  {} {} {} {dims}",
                mode_name(network.tensor_mode(i)?),
                network.tensor_name(i)?,
                network.tensor_data_type(i)?.name()
            );
        }
        self.keep(step, Object::Network(network));
        Ok(())
    }

    fn config(&mut self, step: &Json) -> Done {
        let config = BuilderConfig::new()?;
        if let Some(device) = step.get("device") {
            config.set_device(&Device::new(device.text())?)?;
        }
        if let Some(threads) = step.get("threads") {
            config.set_thread_count(threads.number() as i32)?;
        }
        if let Some(level) = step.get("level") {
            config.set_optimization_level(level.number() as i32)?;
        }
        if let Some(onednn) = step.get("onednn") {
            config.set_onednn_enabled(onednn.number() != 0.0)?;
        }
        if let Some(deadline) = step.get("deadline") {
            config.set_deadline(deadline.number())?;
        }
        if let Some(tf32) = step.get("tf32") {
            config.set_precision_allowed(Precision::Tf32, tf32.number() != 0.0)?;
        }
        let options = step.get("options").map_or(&[][..], Json::fields);
        for (key, value) in options {
            config.set_option(key, value.text())?;
        }
        if step.get("cache").is_some() {
            config.set_timing_cache(Some(object!(self, step, "cache", Cache)))?;
        }
        for shapes in step.get("profiles").map_or(&[][..], Json::items) {
            let profile = OptimizationProfile::new()?;
            for (input, three) in shapes.fields() {
                let three: Vec<_> = three.items().iter().map(Json::integers).collect();
                profile.set_shapes(input, &three[0], &three[1], &three[2])?;
            }
            config.add_profile(&profile)?;
        }
        println!(
            "  threads {} level {} onednn {} deadline {} tf32 {} profiles {}",
            config.thread_count()?,
            config.optimization_level()?,
            yes(config.onednn_enabled()?),
            config.deadline()?,
            yes(config.precision_allowed(Precision::Tf32)?),
            config.profile_count()?
        );
        for (key, _) in options {
            println!("  option {key} {}", config.option(key)?);
        }
        self.keep(step, Object::Config(config, None));
        Ok(())
    }

    fn progress(&mut self, step: &Json) -> Done {
        let Some(Object::Config(config, heard)) = self.objects.get_mut(step.get("config").unwrap().text()) else {
            return Err(Failure::Ruled("INVALID_HANDLE"));
        };
        *heard = None;
        match step.get("mode").unwrap().text() {
            "none" => config.clear_progress()?,
            "cancel" => {
                config.set_progress(|_: &str, _: f64| Err(Error::new(ErrorCode::Cancelled, "stopped on purpose").into()))?
            }
            "throw" => config.set_progress(|_: &str, _: f64| Err(throw("thrown on purpose")))?,
            _ => {
                let seen = Arc::new(Heard::default());
                *heard = Some(seen.clone());
                config.set_progress(move |phase: &str, fraction: f64| {
                    let mut last = seen.last.lock().unwrap();
                    if phase.is_empty() || fraction < *last || !(0.0..=1.0).contains(&fraction) {
                        seen.bad.fetch_add(1, SeqCst);
                    }
                    *last = fraction;
                    seen.phases.fetch_add(1, SeqCst);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    fn build(&mut self, step: &Json) -> Done {
        let logger = self.logger(step)?;
        let own = Builder::new()?;
        own.set_logger(logger.as_ref())?;
        let builder = if logger.is_some() { &own } else { &self.builder };
        let Some(Object::Config(config, heard)) = self.objects.get(step.get("config").unwrap().text()) else {
            return Err(Failure::Ruled("INVALID_HANDLE"));
        };
        let network = object!(self, step, "network", Network);
        if let Some(heard) = heard {
            heard.phases.store(0, SeqCst);
            *heard.last.lock().unwrap() = 0.0;
        }
        let (plan, report) = if step.get("report").is_some() {
            builder.build_with_report(network, config).map(|(plan, report)| (plan, Some(report)))?
        } else {
            (builder.build(network, config)?, None)
        };
        if let Some(heard) = heard {
            println!("  progress {}", yes(heard.phases.load(SeqCst) > 0 && heard.bad.load(SeqCst) == 0));
        }
        if let Some(report) = report {
            println!("  report {}", yes(report.starts_with(b"{")));
        }
        self.keep(step, Object::Blob(plan));
        Ok(())
    }

    fn cache(&mut self, step: &Json) -> Done {
        let cache = TimingCache::new()?;
        if step.get("load").is_some() {
            cache.load(object!(self, step, "load", Blob))?;
        }
        println!("  entries {}", yes(cache.count()? > 0));
        self.keep(step, Object::Cache(cache));
        Ok(())
    }

    fn engine(&mut self, step: &Json) -> Done {
        let runtime = Runtime::new()?;
        if let Some(threads) = step.get("threads") {
            runtime.set_thread_count(threads.number() as i32)?;
        }
        if let Some(limit) = step.get("limit") {
            runtime.set_limit(Limit::PlanBytes, limit.number() as i64)?;
        }
        if step.get("allocator").is_some() {
            runtime.set_allocator(Some(object!(self, step, "allocator", Allocator)))?;
        }
        let logger = self.logger(step)?;
        runtime.set_logger(logger.as_ref())?;
        let engine = Engine::new(&runtime, object!(self, step, "plan", Blob))?;
        let name = engine.name()?;
        let name = if name.is_empty() { "-" } else { &name };
        println!("  engine {name} threads {} profiles {}", engine.thread_count()?, engine.profile_count()?);
        let tensors = data_types(&engine)?;
        for (i, (name, mode, data_type)) in tensors.iter().enumerate() {
            println!(
                "  {} {name} {} {} {} {}",
                mode_name(*mode),
                data_type.name(),
                dims_text(&engine.tensor_shape(i)?),
                if engine.tensor_format(i)? == TensorFormat::Linear { "linear" } else { "channels_last" },
                if engine.tensor_location(i)? == TensorLocation::Host { "host" } else { "device" }
            );
        }
        for profile in 0..engine.profile_count()? {
            for (name, ..) in tensors.iter().filter(|(_, mode, _)| *mode == IoMode::Input) {
                let shape = |selector| Ok(dims_text(&engine.profile_shape(profile, name, selector)?));
                let shapes: Result<Vec<_>> =
                    [ShapeSelector::Min, ShapeSelector::Opt, ShapeSelector::Max].map(shape).into_iter().collect();
                println!("  profile {profile} {name} {}", shapes?.join(" "));
            }
        }
        let mut good = engine.layer_count(0)? > 0;
        for i in 0..engine.layer_count(0)? {
            good = good && !engine.layer_name(0, i)?.is_empty() && !engine.layer_kernel(0, i)?.is_empty();
        }
        println!("  layers {}", yes(good));
        self.keep(step, Object::Engine(engine));
        Ok(())
    }

    fn inspect(&mut self, step: &Json) -> Done {
        let make = || -> Done<EngineInspector> {
            Ok(if step.get("engine").is_some() {
                EngineInspector::new(object!(self, step, "engine", Engine))?
            } else {
                EngineInspector::of_plan(object!(self, step, "plan", Blob))?
            })
        };
        let (first, second) = (make()?, make()?);
        let text = first.information(DocumentFormat::Text)?;
        println!("  text {}", yes(text.ends_with(b"\n")));
        println!("  json {}", yes(first.information(DocumentFormat::Json)?.starts_with(b"{")));
        println!("  same {}", yes(*text == *second.information(DocumentFormat::Text)?));
        Ok(())
    }

    fn run(&mut self, step: &Json) -> Done {
        let held = self.context(step)?;
        let context = held.context.as_mut().unwrap();
        let Some(given) = step.get("inputs") else {
            let mut bound = context.bind();
            for (name, memory, size) in &mut held.buffers {
                // The memory is the context's object's, and nobody else uses it.
                unsafe { bound.raw_buffer(name, memory.as_mut_ptr().cast(), *size) }?;
            }
            bound.run()?;
            println!("  ran");
            return Ok(());
        };
        let inputs = inputs_of(context.engine(), given)?;
        let how = step.get("how").map_or("run", Json::text);
        let outputs = match how {
            "enqueue" => {
                let (back, outputs) = held.context.take().unwrap().enqueue(inputs).wait();
                held.context = Some(back);
                return print_outputs(&outputs?);
            }
            "measured" | "parts" => {
                for (name, input) in &inputs {
                    context.set_input_shape(name, input.dims())?;
                }
                let mut outputs = Vec::new();
                for (name, mode, data_type) in data_types(context.engine())? {
                    if mode == IoMode::Output {
                        outputs.push((name.clone(), DynTensor::zeros(data_type, &context.shape(&name)?)?));
                    }
                }
                let mut bound = context.bind();
                for (name, input) in &inputs {
                    bound.input(name, input)?;
                }
                for (name, output) in &mut outputs {
                    bound.output_tensor(name, output)?;
                }
                let good = if how == "measured" {
                    bound.run_measured()? >= 0.0
                } else {
                    let parts = bound.run_in_parts()?;
                    parts.input >= 0.0 && parts.enqueue >= 0.0 && parts.output >= 0.0
                };
                drop(bound);
                println!("  microseconds {}", yes(good));
                for (name, output) in &outputs {
                    print_output(name, output)?;
                }
                return Ok(());
            }
            "prepare" => {
                for (name, input) in &inputs {
                    context.set_input_shape(name, input.dims())?;
                }
                context.prepare()?;
                run_inputs(context, &inputs)?
            }
            _ => run_inputs(context, &inputs)?,
        };
        print_outputs(&outputs)
    }

    fn profile(&mut self, step: &Json) -> Done {
        let context = self.context(step)?.context.as_mut().unwrap();
        let inputs = inputs_of(context.engine(), step.get("inputs").unwrap())?;
        let throwing = step.get("mode").unwrap().text() == "throw";
        let heard = Arc::new(Mutex::new(Vec::new()));
        let seen = heard.clone();
        context.set_profiler(move |layer: &LayerTime<'_>| {
            if throwing {
                return Err(throw("thrown by the profiler"));
            }
            seen.lock().unwrap().push((layer.index, layer.kernel.to_owned()));
            Ok(())
        })?;
        let outputs = run_inputs(context, &inputs);
        context.clear_profiler()?;
        print_outputs(&outputs?)?;
        let engine = context.engine();
        let expected: Result<Vec<_>> = (0..engine.layer_count(0)?).map(|i| Ok((i, engine.layer_kernel(0, i)?))).collect();
        println!("  layers {}", yes(*heard.lock().unwrap() == expected?));
        Ok(())
    }

    /// A context whose run is under way cannot be named in Rust: the try is ruled out.
    fn busy(&mut self, step: &Json) -> Done {
        let held = self.context(step)?;
        let mut context = held.context.take().unwrap();
        let inputs = inputs_of(context.engine(), step.get("inputs").unwrap())?;
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let seen = gate.clone();
        context.set_profiler(move |_: &LayerTime<'_>| {
            drop(seen.1.wait_while(seen.0.lock().unwrap(), |tried| !*tried).unwrap());
            Ok(())
        })?;
        let running = context.enqueue(inputs);
        println!("  error BUSY");
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        let (mut context, outputs) = running.wait();
        context.clear_profiler()?;
        self.context(step)?.context = Some(context);
        print_outputs(&outputs?)
    }

    fn threads(&mut self, step: &Json) -> Done {
        let engine = object!(self, step, "engine", Engine);
        let inputs = inputs_of(engine, step.get("inputs").unwrap())?;
        let runs = step.get("runs").unwrap().number() as usize;
        let work = || -> Result<(Outputs, bool)> {
            let mut context = ExecutionContext::new(engine, 0)?;
            let first = run_inputs(&mut context, &inputs)?;
            let mut same = true;
            for _ in 1..runs {
                same = same && equal(&run_inputs(&mut context, &inputs)?, &first);
            }
            Ok((first, same))
        };
        let all: Result<Vec<_>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..step.get("count").unwrap().number() as usize).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let all = all?;
        print_outputs(&all[0].0)?;
        println!("  equal {}", yes(all.iter().all(|(outputs, same)| *same && equal(outputs, &all[0].0))));
        Ok(())
    }

    fn refit(&mut self, step: &Json) -> Done {
        let refitter = Refitter::new(object!(self, step, "engine", Engine))?;
        for (name, weight) in step.get("weights").map_or(&[][..], Json::fields) {
            refitter.set_weight(name, &tensor_of(weight, DataType::F32)?)?;
        }
        if step.get("network").is_some() {
            println!("  set {}", refitter.set_weights_from_network(object!(self, step, "network", Network))?);
        }
        for name in refitter.missing()? {
            println!("  missing {name}");
        }
        refitter.apply()?;
        println!("  refitted");
        Ok(())
    }

    fn step(&mut self, verb: &str, step: &Json) -> Done {
        let text = |key: &str| step.get(key).unwrap().text();
        let number = |key: &str| step.get(key).map_or(0.0, Json::number) as i32;
        match verb {
            "device" => {
                let device = Device::new(text("name"))?;
                println!("  {} {}", device.name()?, format!("{:?}", device.device_type()?).to_lowercase());
            }
            "network" => self.network(step)?,
            "describe" => {
                let network = object!(self, step, "network", Network);
                println!("  text {}", yes(network.information(DocumentFormat::Text)?.ends_with(b"\n")));
                println!("  json {}", yes(network.information(DocumentFormat::Json)?.starts_with(b"{")));
            }
            "config" => self.config(step)?,
            "progress" => self.progress(step)?,
            "build" => self.build(step)?,
            "blob" => {
                let blob = Blob::copy(text("text").as_bytes())?;
                println!("  blob {} bytes", blob.len());
                self.keep(step, Object::Blob(blob));
            }
            "save" => object!(self, step, "blob", Blob).save(text("file"))?,
            "read" => self.keep(step, Object::Blob(Blob::from_file(text("file"))?)),
            "share" => {
                let shared = object!(self, step, "blob", Blob).share()?;
                self.keep(step, Object::Blob(shared));
            }
            "cut" => {
                let whole = object!(self, step, "blob", Blob);
                let part = Blob::from_vec(whole[..whole.len().min(number("bytes") as usize)].to_vec())?;
                println!("  blob {} bytes", part.len());
                self.keep(step, Object::Blob(part));
            }
            "same" => {
                let same = **object!(self, step, "a", Blob) == **object!(self, step, "b", Blob);
                println!("  {}", yes(same));
            }
            "cache" => self.cache(step)?,
            "cache_blob" => {
                let cache = object!(self, step, "cache", Cache);
                let blob = cache.serialize()?;
                println!("  entries {}", yes(cache.count()? > 0));
                self.keep(step, Object::Blob(blob));
            }
            "merge" => {
                let cache = object!(self, step, "cache", Cache);
                cache.merge(object!(self, step, "other", Cache))?;
                println!("  entries {}", yes(cache.count()? > 0));
            }
            "allocator" => {
                let counted = Arc::new(Counted::default());
                let handle = AllocatorHandle::new(Allocating(counted.clone(), text("mode") == "throw"))?;
                self.keep(step, Object::Allocator(handle, counted));
            }
            "balance" => {
                let Some(Object::Allocator(_, counted)) = self.objects.get(text("allocator")) else {
                    return Err(Failure::Ruled("INVALID_HANDLE"));
                };
                println!("  allocated {}", yes(counted.calls.load(SeqCst) > 0));
                println!("  balanced {}", yes(counted.blocks.load(SeqCst) == 0 && counted.bytes.load(SeqCst) == 0));
            }
            "engine" => self.engine(step)?,
            "serialize" => {
                let plan = object!(self, step, "engine", Engine).serialize()?;
                self.keep(step, Object::Blob(plan));
            }
            "inspect" => self.inspect(step)?,
            "context" => {
                let context = ExecutionContext::new(object!(self, step, "engine", Engine), number("profile"))?;
                println!("  profile {}", context.profile()?);
                self.keep(step, Object::Context(Box::new(Held { context: Some(context), buffers: Vec::new() })));
            }
            "set_profile" => {
                let context = self.context(step)?.context.as_mut().unwrap();
                context.set_profile(number("profile"))?;
                println!("  profile {}", context.profile()?);
            }
            "shape" => {
                let dims = step.get("dims").unwrap().integers();
                self.context(step)?.context.as_mut().unwrap().set_input_shape(text("tensor"), &dims)?;
            }
            "get_shape" => {
                let dims = self.context(step)?.context.as_ref().unwrap().shape(text("tensor"))?;
                println!("  {} {}", text("tensor"), dims_text(&dims));
            }
            "buffer" => {
                let held = self.context(step)?;
                let size = number("bytes") as usize;
                let mut memory = vec![0u64; size / 8 + 1];
                // As in `run`.
                unsafe { held.context.as_mut().unwrap().bind().raw_buffer(text("tensor"), memory.as_mut_ptr().cast(), size) }?;
                held.buffers.retain(|(name, ..)| name != text("tensor"));
                held.buffers.push((text("tensor").into(), memory, size));
            }
            "run" => self.run(step)?,
            // A run that is not under way cannot be waited for in Rust.
            "wait" => drop(self.context(step)?),
            "profile" => self.profile(step)?,
            "busy" => self.busy(step)?,
            "threads" => self.threads(step)?,
            "weights" => {
                let refitter = Refitter::new(object!(self, step, "engine", Engine))?;
                for i in 0..refitter.weight_count()? {
                    println!(
                        "  weight {} {} {} {}",
                        refitter.weight_name(i)?,
                        refitter.weight_data_type(i)?.name(),
                        dims_text(&refitter.weight_shape(i)?),
                        if refitter.pin_reason(i)?.is_empty() { "free" } else { "pinned" }
                    );
                }
            }
            "refit" => self.refit(step)?,
            "close" => drop(self.objects.remove(text("name")).ok_or(Failure::Ruled("INVALID_HANDLE"))?),
            "live" => println!("  {} {}", text("type"), live_count(text("type"))?),
            other => panic!("there is no step {other}"),
        }
        Ok(())
    }
}

fn equal(a: &Outputs, b: &Outputs) -> bool {
    a.iter().zip(b.iter()).all(|((_, left), (_, right))| left.bytes() == right.bytes())
}

fn print_output(name: &str, tensor: &DynTensor) -> Done {
    println!("  {name} {} {}:{}", tensor.data_type().name(), dims_text(tensor.dims()), values_text(tensor)?);
    Ok(())
}

fn print_outputs(outputs: &Outputs) -> Done {
    outputs.iter().try_for_each(|(name, tensor)| print_output(name, tensor))
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: tenon-conformance SCENARIO");
    let scenario = Json::parse(&std::fs::read_to_string(path).expect("the scenario can be read"));
    let mut runner = Runner { builder: Builder::new().unwrap(), objects: BTreeMap::new(), logged: None };
    for (number, step) in scenario.items().iter().enumerate() {
        let verb = step.get("do").unwrap().text();
        println!("{} {verb}", number + 1);
        match runner.step(verb, step) {
            Ok(()) => {}
            Err(Failure::Ruled(code)) => println!("  error {code}"),
            Err(Failure::Error(error)) => match (error.code(), error.downcast_ref::<Own>()) {
                (_, Some(own)) => println!("  thrown: {own}"),
                (code @ (ErrorCode::InvalidHandle | ErrorCode::Busy), _) => println!("  error {}", code.name()),
                (code, _) => println!("  error {}: {}", code.name(), one_line(&error.to_string())),
            },
        }
        for line in runner.logged.take().map(|lines| lines.lock().unwrap().clone()).unwrap_or_default() {
            println!("{line}");
        }
    }
    drop(runner);
    println!("live {}", live_count("all").unwrap());
}
