// Written by bindings/generate from capi/api.json.
use crate::slots::{fallible, infallible, release, sized_text, text, CallbackError};
use crate::*;
use std::os::raw::{c_char, c_void};

/// The caller's functions behind an allocator. Set it up with `TN_ALLOCATOR_CALLBACKS_INIT` or
/// tn_allocator_callbacks_init().
pub trait AllocatorCallbacks: Send + Sync {
    /// Gives `size` > 0 bytes at a multiple of `alignment`, a power of two, in `*out_memory`. Contents are undefined. NULL without an error means lack of memory; an error is handed on to whoever called the library. Called on any thread, perhaps on several at once; it must not throw, nor call the library.
    fn allocate(&self, size: usize, alignment: usize) -> Result<*mut c_void, CallbackError>;
    /// Takes memory back, with the numbers it was asked for. On any thread. Must not fail.
    fn deallocate(&self, memory: *mut c_void, size: usize, alignment: usize);
}

unsafe extern "C" fn allocator_allocate(user_data: *mut c_void, size: usize, alignment: usize, out_memory: *mut *mut c_void) -> tn_error_t {
    let target = &*(user_data as *const Box<dyn AllocatorCallbacks>);
    *out_memory = std::ptr::null_mut();
    fallible(|| target.allocate(size, alignment).map(|given| *out_memory = given))
}

unsafe extern "C" fn allocator_deallocate(user_data: *mut c_void, memory: *mut c_void, size: usize, alignment: usize) {
    let target = &*(user_data as *const Box<dyn AllocatorCallbacks>);
    infallible(|| target.deallocate(memory, size, alignment))
}

/// A table over a Rust object, which is dropped when the table is released. Give it to one function, once.
pub fn tn_allocator_callbacks_of(target: Box<dyn AllocatorCallbacks>) -> tn_allocator_callbacks {
    tn_allocator_callbacks {
        struct_size: std::mem::size_of::<tn_allocator_callbacks>(),
        user_data: Box::into_raw(Box::new(target)) as *mut c_void,
        allocate: Some(allocator_allocate),
        deallocate: Some(allocator_deallocate),
        release: Some(release::<Box<dyn AllocatorCallbacks>>),
    }
}

/// Called while a build makes progress. Set it up with `TN_PROGRESS_CALLBACKS_INIT` or
/// tn_progress_callbacks_init().
pub trait ProgressCallbacks: Send + Sync {
    /// `phase` names what is being done; `fraction` is how much of the whole build is done, in [0, 1], and never falls. An error cancels the build, which then fails with that error: `TN_ERROR_CANCELLED` is the code to use. Called on the thread that builds, with no lock held; it must not throw.
    fn update(&self, phase: &str, fraction: f64) -> Result<(), CallbackError>;
}

unsafe extern "C" fn progress_update(user_data: *mut c_void, phase: *const c_char, fraction: f64) -> tn_error_t {
    let target = &*(user_data as *const Box<dyn ProgressCallbacks>);
    fallible(|| target.update(&text(phase), fraction))
}

/// A table over a Rust object, which is dropped when the table is released. Give it to one function, once.
pub fn tn_progress_callbacks_of(target: Box<dyn ProgressCallbacks>) -> tn_progress_callbacks {
    tn_progress_callbacks {
        struct_size: std::mem::size_of::<tn_progress_callbacks>(),
        user_data: Box::into_raw(Box::new(target)) as *mut c_void,
        update: Some(progress_update),
        release: Some(release::<Box<dyn ProgressCallbacks>>),
    }
}

/// Called with the time of each layer. Set it up with `TN_PROFILER_CALLBACKS_INIT` or
/// tn_profiler_callbacks_init().
pub trait ProfilerCallbacks: Send + Sync {
    /// Layer `index` of the context's profile took `microseconds`. `name` is the layer's; `kernel` is what computed it; `origins` are the ONNX nodes that it computes, as tn_engine_get_layer_origins() gives them. All are borrowed for the call. Called after each layer on the thread that runs the network, which it holds up; it must not throw and must not call the context or another one of its engine. An error is given back by the run or wait, once the run has ended.
    fn layer(&self, index: usize, name: &str, kernel: &str, origins: &str, microseconds: f64) -> Result<(), CallbackError>;
}

unsafe extern "C" fn profiler_layer(user_data: *mut c_void, index: usize, name: *const c_char, kernel: *const c_char, origins: *const c_char, microseconds: f64) -> tn_error_t {
    let target = &*(user_data as *const Box<dyn ProfilerCallbacks>);
    fallible(|| target.layer(index, &text(name), &text(kernel), &text(origins), microseconds))
}

/// A table over a Rust object, which is dropped when the table is released. Give it to one function, once.
pub fn tn_profiler_callbacks_of(target: Box<dyn ProfilerCallbacks>) -> tn_profiler_callbacks {
    tn_profiler_callbacks {
        struct_size: std::mem::size_of::<tn_profiler_callbacks>(),
        user_data: Box::into_raw(Box::new(target)) as *mut c_void,
        layer: Some(profiler_layer),
        release: Some(release::<Box<dyn ProfilerCallbacks>>),
    }
}

/// The caller's functions behind a logger. Set it up with `TN_LOGGER_CALLBACKS_INIT` or
/// tn_logger_callbacks_init().
pub trait LoggerCallbacks: Send + Sync {
    /// Takes one message: UTF-8, terminated, without a line break at its end, borrowed for the call. Called on any thread that works for an object that has the logger, perhaps on several at once; it must not throw, and should return soon. It may call the library, but not the object that is being used.
    fn log(&self, severity: tn_severity, message: &str);
}

unsafe extern "C" fn logger_log(user_data: *mut c_void, severity: tn_severity, message: *const c_char, message_size: usize) {
    let target = &*(user_data as *const Box<dyn LoggerCallbacks>);
    infallible(|| target.log(severity, &sized_text(message, message_size)))
}

/// A table over a Rust object, which is dropped when the table is released. Give it to one function, once.
pub fn tn_logger_callbacks_of(target: Box<dyn LoggerCallbacks>) -> tn_logger_callbacks {
    tn_logger_callbacks {
        struct_size: std::mem::size_of::<tn_logger_callbacks>(),
        user_data: Box::into_raw(Box::new(target)) as *mut c_void,
        log: Some(logger_log),
        release: Some(release::<Box<dyn LoggerCallbacks>>),
    }
}
