//! The raw layer of Rust: as tests/bindings/raw_smoke.py, which tests/bindings/run.py runs with a folder in TENON_SMOKE.
use std::ffi::{c_void, CStr, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::PathBuf;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex};
use tenon_sys::*;

unsafe fn message(error: tn_error_t) -> String {
    let mut size = 0;
    tn_error_get_message(error, null_mut(), 0, &mut size);
    let mut buffer = vec![0u8; size + 1];
    tn_error_get_message(error, buffer.as_mut_ptr().cast(), buffer.len(), &mut size);
    String::from_utf8(buffer[..size].to_vec()).unwrap()
}

unsafe fn check(error: tn_error_t) {
    if !error.is_null() {
        let text = message(error);
        tn_error_destroy(error);
        panic!("{text}");
    }
}

unsafe fn code(error: tn_error_t) -> tn_error_code {
    let code = tn_error_get_code(error);
    tn_error_destroy(error);
    code
}

fn text(value: &str) -> CString {
    CString::new(value).unwrap()
}

#[derive(Default)]
struct Seen {
    phases: Vec<String>,
    layers: Vec<usize>,
    released: usize,
}

enum Ends {
    Well,
    Refuses,
    Panics,
}

struct Hearer(Arc<Mutex<Seen>>, Ends);

impl ProgressCallbacks for Hearer {
    fn update(&self, phase: &str, _fraction: f64) -> Result<(), CallbackError> {
        self.0.lock().unwrap().phases.push(phase.into());
        match self.1 {
            Ends::Well => Ok(()),
            Ends::Refuses => Err(CallbackError {
                code: TN_ERROR_CANCELLED,
                message: "not today".into(),
                payload: Some(Box::new(4711u64)),
            }),
            Ends::Panics => std::panic::panic_any(String::from("panicked")),
        }
    }
}

impl ProfilerCallbacks for Hearer {
    fn layer(&self, index: usize, _: &str, kernel: &str, _: &str, _: f64) -> Result<(), CallbackError> {
        assert!(!kernel.is_empty() && std::thread::current().name() != Some("main"));
        self.0.lock().unwrap().layers.push(index);
        Ok(())
    }
}

impl Drop for Hearer {
    fn drop(&mut self) {
        self.0.lock().unwrap().released += 1;
    }
}

struct Smoke {
    folder: PathBuf,
    input: Vec<u8>,
    expected: Vec<f32>,
    output: Vec<f32>,
    builder: tn_builder_t,
    network: tn_network_t,
    plan: tn_blob_t,
    engine: tn_engine_t,
    context: tn_execution_context_t,
}

impl Smoke {
    fn new(folder: PathBuf) -> Smoke {
        let input = std::fs::read(folder.join("input.bin")).unwrap();
        let expected = std::fs::read(folder.join("expected.bin")).unwrap();
        let expected: Vec<f32> = expected.chunks(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect();
        let output = vec![0.0; expected.len()];
        Smoke {
            folder,
            input,
            expected,
            output,
            builder: null_mut(),
            network: null_mut(),
            plan: null_mut(),
            engine: null_mut(),
            context: null_mut(),
        }
    }

    fn batch(&self) -> i64 {
        self.expected.len() as i64 / 3
    }

    unsafe fn version(&mut self) {
        assert!(tn_version() == TN_VERSION && tn_abi_version() == TN_ABI_VERSION);
        assert!(CStr::from_ptr(tn_build_info()).to_str().unwrap().starts_with("tenon "));
        assert_eq!(CStr::from_ptr(tn_data_type_get_name(TN_DATA_TYPE_INT64)).to_str(), Ok("i64"));
    }

    unsafe fn config(&self, hearer: Hearer) -> tn_builder_config_t {
        let mut config = null_mut();
        let mut profile = null_mut();
        check(tn_builder_config_create(&mut config));
        check(tn_builder_config_set_option(config, text("timer").as_ptr(), text("fake").as_ptr()));
        check(tn_builder_config_set_thread_count(config, 1));
        check(tn_builder_config_set_progress(config, &tn_progress_callbacks_of(Box::new(hearer))));
        check(tn_optimization_profile_create(&mut profile));
        for (selector, batch) in [1, self.batch(), 8].into_iter().enumerate() {
            let dims = [batch, 1, 4, 4];
            check(tn_optimization_profile_set_shape(profile, text("x").as_ptr(), selector as i32, dims.as_ptr(), 4));
        }
        let mut index = -1;
        check(tn_builder_config_add_profile(config, profile, &mut index));
        assert_eq!(index, 0);
        tn_optimization_profile_destroy(profile);
        config
    }

    unsafe fn build(&mut self) {
        let model = std::fs::read(self.folder.join("model.onnx")).unwrap();
        check(tn_builder_create(&mut self.builder));
        check(tn_network_create_from_onnx(self.builder, model.as_ptr().cast(), model.len(), &mut self.network));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let config = self.config(Hearer(seen.clone(), Ends::Well));
        check(tn_builder_build(self.builder, self.network, config, &mut self.plan, null_mut()));
        tn_builder_config_destroy(config);
        let seen = seen.lock().unwrap();
        assert!(!seen.phases.is_empty() && seen.released == 1);
    }

    unsafe fn file(&mut self) {
        let path = self.folder.join("plän 🙂 rust.plan");
        let name = text(path.to_str().unwrap());
        check(tn_blob_save(self.plan, name.as_ptr()));
        let (mut copy, mut data, mut size) = (null_mut(), std::ptr::null(), 0);
        check(tn_blob_create_from_file(name.as_ptr(), &mut copy));
        check(tn_blob_get_data(copy, &mut data, &mut size));
        assert_eq!(size as u64, std::fs::metadata(path).unwrap().len());
        tn_blob_destroy(copy);
    }

    unsafe fn run(&mut self) {
        let (mut runtime, mut data, mut size) = (null_mut(), std::ptr::null(), 0);
        check(tn_runtime_create(&mut runtime));
        check(tn_runtime_set_thread_count(runtime, 2));
        check(tn_blob_get_data(self.plan, &mut data, &mut size));
        check(tn_engine_create(runtime, data, size, &mut self.engine));
        tn_runtime_destroy(runtime);
        let mut name = [0u8; 16];
        check(tn_engine_get_tensor_name(self.engine, 0, name.as_mut_ptr().cast(), name.len(), &mut size));
        assert_eq!(&name[..size], b"x");
        let mut dims = [0i64; TN_MAX_RANK as usize];
        check(tn_engine_get_tensor_shape(self.engine, 0, dims.as_mut_ptr(), dims.len(), &mut size));
        assert_eq!(dims[..size], [-1, 1, 4, 4]);
        check(tn_execution_context_create(self.engine, 0, &mut self.context));
        dims[0] = self.batch();
        let (x, y) = (text("x"), text("y"));
        check(tn_execution_context_set_input_shape(self.context, x.as_ptr(), dims.as_ptr(), 4));
        let input = self.input.as_mut_ptr() as *mut c_void;
        check(tn_execution_context_set_buffer(self.context, x.as_ptr(), input, self.input.len()));
        let output = self.output.as_mut_ptr() as *mut c_void;
        check(tn_execution_context_set_buffer(self.context, y.as_ptr(), output, 4 * self.output.len()));
        check(tn_execution_context_run(self.context));
        for (got, expected) in self.output.iter().zip(&self.expected) {
            assert!((got - expected).abs() < 1e-4, "{got} for {expected}");
        }
    }

    unsafe fn profile(&mut self) {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let table = tn_profiler_callbacks_of(Box::new(Hearer(seen.clone(), Ends::Well)));
        check(tn_execution_context_set_profiler(self.context, &table));
        check(tn_execution_context_enqueue(self.context, null_mut()));
        check(tn_execution_context_wait(self.context));
        let mut count = 0;
        check(tn_engine_get_layer_count(self.engine, 0, &mut count));
        assert_eq!(seen.lock().unwrap().layers, (0..count).collect::<Vec<_>>());
        check(tn_execution_context_set_profiler(self.context, std::ptr::null()));
        assert_eq!(seen.lock().unwrap().released, 1);
    }

    unsafe fn errors(&mut self) {
        let (mut runtime, mut engine) = (null_mut(), null_mut());
        check(tn_runtime_create(&mut runtime));
        let error = tn_engine_create(runtime, b"not a plan".as_ptr().cast(), 10, &mut engine);
        assert!(engine.is_null() && message(error).contains("plan"));
        assert_eq!(code(error), TN_ERROR_INVALID_PLAN);
        tn_runtime_destroy(runtime);
        for handle in [null_mut(), runtime, self.plan.cast(), 12345 as tn_runtime_t] {
            assert_eq!(code(tn_runtime_set_thread_count(handle, 1)), TN_ERROR_INVALID_HANDLE);
        }
    }

    unsafe fn exception(&mut self) {
        for panics in [false, true] {
            let seen = Arc::new(Mutex::new(Seen::default()));
            let config = self.config(Hearer(seen.clone(), if panics { Ends::Panics } else { Ends::Refuses }));
            let mut plan = null_mut();
            let error = tn_builder_build(self.builder, self.network, config, &mut plan, null_mut());
            tn_builder_config_destroy(config);
            assert!(plan.is_null());
            match take_payload(error) {
                Some(Payload::Panic(payload)) if panics => assert_eq!(payload.downcast_ref::<String>().unwrap(), "panicked"),
                Some(Payload::Error(payload)) if !panics => assert_eq!(payload.downcast_ref::<u64>(), Some(&4711)),
                _ => panic!("no payload"),
            }
            assert!(take_payload(error).is_none());
            assert!(message(error).contains(if panics { "panicked" } else { "not today" }));
            assert_eq!(code(error), if panics { TN_ERROR_CALLBACK } else { TN_ERROR_CANCELLED });
        }
        let foreign = tn_error_create(TN_ERROR_CALLBACK, text("m").as_ptr(), 4711 as *mut c_void, None);
        assert!(take_payload(foreign).is_none());
        tn_error_destroy(foreign);
    }

    unsafe fn destroy(&mut self) {
        tn_builder_destroy(self.builder);
        tn_network_destroy(self.network);
        tn_engine_destroy(self.engine);
        tn_execution_context_destroy(self.context);
        tn_blob_destroy(self.plan);
        let mut count = -1;
        check(tn_debug_get_live_count(text("all").as_ptr(), &mut count));
        assert_eq!(count, 0);
    }
}

fn main() {
    let Some(folder) = std::env::var_os("TENON_SMOKE") else {
        println!("TENON_SMOKE names no folder: `make test-bindings` runs this");
        return;
    };
    std::panic::set_hook(Box::new(|_| {}));
    let mut smoke = Smoke::new(folder.into());
    let steps: [(&str, unsafe fn(&mut Smoke)); 8] = [
        ("version", Smoke::version),
        ("build", Smoke::build),
        ("file", Smoke::file),
        ("run", Smoke::run),
        ("profile", Smoke::profile),
        ("errors", Smoke::errors),
        ("exception", Smoke::exception),
        ("destroy", Smoke::destroy),
    ];
    for (name, step) in steps {
        match catch_unwind(AssertUnwindSafe(|| unsafe { step(&mut smoke) })) {
            Ok(()) => println!("passed {name}"),
            Err(panic) => {
                let why = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
                println!("FAILED {name}: {}", why.unwrap_or("a panic").replace('\n', " "));
            }
        }
    }
}
