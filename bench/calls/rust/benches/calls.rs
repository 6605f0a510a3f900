//! What calls cost: each through tenon-sys, which is C's price, and through tenon. TENON_MODELS names a folder with linear.onnx.
use criterion::{criterion_group, criterion_main, Criterion};
use std::ffi::CString;
use std::ptr::null_mut;
use tenon::{Builder, BuilderConfig, Engine, ExecutionContext, OptimizationProfile, Runtime, Tensor};
use tenon_sys::*;

fn plan() -> tenon::Blob {
    let builder = Builder::new().unwrap();
    let folder = std::env::var("TENON_MODELS").expect("bench/calls/run.py names the folder of the models");
    let network = builder.network_from_file(&format!("{folder}/linear.onnx")).unwrap();
    let config = BuilderConfig::new().unwrap();
    config.set_thread_count(1).unwrap();
    config.set_option("timer", "fake").unwrap();
    let profile = OptimizationProfile::new().unwrap();
    profile.set_shapes("x", &[1, 4], &[2, 4], &[8, 4]).unwrap();
    config.add_profile(&profile).unwrap();
    builder.build(&network, &config).unwrap()
}

unsafe fn check(error: tn_error_t) {
    assert!(error.is_null());
}

fn calls(criterion: &mut Criterion) {
    let plan = plan();
    let runtime = Runtime::new().unwrap();
    runtime.set_thread_count(1).unwrap();
    let engine = Engine::new(&runtime, &plan).unwrap();
    let x = Tensor::new(&[1, 4], vec![1f32; 4]).unwrap();
    let mut y = [0f32; 3];
    let mut context = ExecutionContext::new(&engine, 0).unwrap();

    let (mut raw_runtime, mut raw_engine, mut raw) = (null_mut(), null_mut(), null_mut());
    let (name_x, name_y) = (CString::new("x").unwrap(), CString::new("y").unwrap());
    let (input, mut output) = ([1f32; 4], [0f32; 3]);
    unsafe {
        check(tn_runtime_create(&mut raw_runtime));
        check(tn_runtime_set_thread_count(raw_runtime, 1));
        check(tn_engine_create(raw_runtime, plan.as_ptr().cast(), plan.len(), &mut raw_engine));
        check(tn_execution_context_create(raw_engine, 0, &mut raw));
        check(tn_execution_context_set_input_shape(raw, name_x.as_ptr(), [1i64, 4].as_ptr(), 2));
        check(tn_execution_context_set_buffer(raw, name_x.as_ptr(), input.as_ptr() as *mut _, 16));
        check(tn_execution_context_set_buffer(raw, name_y.as_ptr(), output.as_mut_ptr().cast(), 12));
    }

    let mut group = criterion.benchmark_group("run with bound buffers");
    group.bench_function("C", |b| b.iter(|| unsafe { check(tn_execution_context_run(raw)) }));
    {
        let mut bound = context.bind();
        bound.input("x", &x).unwrap().output("y", &mut y).unwrap();
        group.bench_function("Rust", |b| b.iter(|| bound.run().unwrap()));
    }
    group.finish();

    let mut group = criterion.benchmark_group("a number");
    group.bench_function("C", |b| {
        b.iter(|| unsafe {
            let mut count = 0;
            check(tn_runtime_get_thread_count(raw_runtime, &mut count));
            count
        })
    });
    group.bench_function("Rust", |b| b.iter(|| runtime.thread_count().unwrap()));
    group.finish();

    let mut group = criterion.benchmark_group("whole run");
    group.bench_function("Rust, engine.run", |b| b.iter(|| engine.run(&[("x", &x)]).unwrap()));
    group.bench_function("Rust, context.run", |b| b.iter(|| context.run(&[("x", &x)]).unwrap()));
    group.finish();

    unsafe {
        tn_execution_context_destroy(raw);
        tn_engine_destroy(raw_engine);
        tn_runtime_destroy(raw_runtime);
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);
