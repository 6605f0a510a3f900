// Written by bindgen from include/tenon/tenon.h (`make bindings`).

extern "C" {
    /// Version of the library that is loaded, as `TN_VERSION`. Cannot fail; any thread.
    pub fn tn_version() -> u32;
}
extern "C" {
    /** Version of the binary interface of the library that is loaded. A program runs correctly with every library
 that has the `TN_ABI_VERSION` it was compiled with. Cannot fail; any thread.*/
    pub fn tn_abi_version() -> u32;
}
extern "C" {
    /** One line about how the library was built: version, compiler, modules. UTF-8; lives as long as the library
 and must not be freed. Cannot fail; any thread.*/
    pub fn tn_build_info() -> *const ::std::os::raw::c_char;
}
/// Type of a tensor's elements. The numbers are those of ONNX's `TensorProto.DataType`.
pub type tn_data_type = i32;
/** An element of a tensor of strings: a view of UTF-8, without a terminator. All zero is the empty string.

 The bytes of an input's elements are the caller's; they are read from the run or enqueue on, and must stay until the run has
 ended. Those of an output's elements are the execution context's: they stay until a later run of it has succeeded, whose inputs
 they may be, or it is destroyed, and must not be written. Views that are not empty and have no bytes are refused when the run begins.*/
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct tn_string {
    ///< may be NULL if `size` is 0
    pub data: *const ::std::os::raw::c_char,
    ///< in bytes
    pub size: usize,
}
#[test]
fn bindgen_test_layout_tn_string() {
    const UNINIT: ::std::mem::MaybeUninit<tn_string> = ::std::mem::MaybeUninit::uninit();
    let ptr = UNINIT.as_ptr();
    assert_eq!(::std::mem::size_of::<tn_string>(), 16usize, "Size of tn_string");
    assert_eq!(::std::mem::align_of::<tn_string>(), 8usize, "Alignment of tn_string");
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).data) as usize - ptr as usize },
        0usize,
        "Offset of field: tn_string::data",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).size) as usize - ptr as usize },
        8usize,
        "Offset of field: tn_string::size",
    );
}
/// How the elements of a tensor lie in memory.
pub type tn_tensor_format = i32;
/// Whether a tensor goes into a network or comes out of it.
pub type tn_io_mode = i32;
/// In which memory the buffer of a tensor lies.
pub type tn_tensor_location = i32;
/// One of the three shapes that a profile gives each input.
pub type tn_shape_selector = i32;
/** Precisions that a build may use for FP32 work on devices that have them. Allowed is not forced: a kernel that uses one is
 taken where it is faster. Sums, softmax, normalisations and reductions are computed in FP32 in any case.*/
pub type tn_precision = i32;
/// Form of a document that describes an object.
pub type tn_document_format = i32;
/** What a reader of untrusted bytes enforces. A model or plan that exceeds one is refused with
 `TN_ERROR_LIMIT_EXCEEDED` and a message that names the limit.*/
pub type tn_limit = i32;
extern "C" {
    /** Short name of a type ("f32", "i64", "bool"), "?" for a number that names none. Static; cannot fail; any
 thread.*/
    pub fn tn_data_type_get_name(
        data_type: tn_data_type,
    ) -> *const ::std::os::raw::c_char;
}
extern "C" {
    /** Bytes of one element, of strings those of a `tn_string`; 0 for `TN_DATA_TYPE_NONE` and numbers that name no type.
 Cannot fail; any thread.*/
    pub fn tn_data_type_get_size(data_type: tn_data_type) -> usize;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_error {
    _unused: [u8; 0],
}
/// An error. NULL means success.
pub type tn_error_t = *mut tn_error;
/// What kind of failure it was.
pub type tn_error_code = i32;
extern "C" {
    #[must_use]
    /** Makes an error, for a callback to return.

 @param code             Any code but `TN_ERROR_NONE`.
 @param message          UTF-8; copied.
 @param payload          Anything that whoever receives the error may want back, such as the exception
                         object of another language. When a callback returns the error, the outer call fails
                         with an error that has the same payload.
 @param payload_release  Called once with the payload when no error refers to it any more, on any thread,
                         also when this function fails. It must not call the library.
 @return The new error, owned by the caller; never NULL. A bad argument gives an error with
         `TN_ERROR_INVALID_ARGUMENT` that says so, lack of memory one with `TN_ERROR_OUT_OF_MEMORY`.*/
    pub fn tn_error_create(
        code: tn_error_code,
        message: *const ::std::os::raw::c_char,
        payload: *mut ::std::os::raw::c_void,
        payload_release: ::std::option::Option<
            unsafe extern "C" fn(payload: *mut ::std::os::raw::c_void),
        >,
    ) -> tn_error_t;
}
extern "C" {
    /// Destroys an error. NULL and bad handles are ignored.
    pub fn tn_error_destroy(error: tn_error_t);
}
extern "C" {
    /// The code; `TN_ERROR_NONE` for NULL, `TN_ERROR_INVALID_HANDLE` for a bad handle.
    pub fn tn_error_get_code(error: tn_error_t) -> tn_error_code;
}
extern "C" {
    /** The message: what was wrong, with which object, what was expected and what to do; further lines say what
 the library was doing. Valid UTF-8. Empty for NULL and bad handles.

 @param error     The error.
 @param buf       Receives the text, always terminated; what does not fit is cut off. May be NULL when
                  `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.*/
    pub fn tn_error_get_message(
        error: tn_error_t,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    );
}
extern "C" {
    /** The payload that the error was made with, still owned by the error; NULL if there is none, or for a bad
 handle.*/
    pub fn tn_error_get_payload(error: tn_error_t) -> *mut ::std::os::raw::c_void;
}
extern "C" {
    /// Name of a code ("INVALID_ARGUMENT"), "?" for a number that names none. Static; cannot fail; any thread.
    pub fn tn_error_code_get_name(code: tn_error_code) -> *const ::std::os::raw::c_char;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_blob {
    _unused: [u8; 0],
}
/// Immutable bytes with a shared owner.
pub type tn_blob_t = *mut tn_blob;
extern "C" {
    #[must_use]
    /** A blob with a copy of the bytes.

 @param data       May be NULL when `data_size` is 0.
 @param data_size  Bytes of `data`.
 @param out_blob   Receives the blob.
 @return Fails with INVALID_ARGUMENT, OUT_OF_MEMORY.*/
    pub fn tn_blob_create(
        data: *const ::std::os::raw::c_void,
        data_size: usize,
        out_blob: *mut tn_blob_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** A blob that refers to the caller's bytes. They must stay unchanged until `release` is called, which happens
 exactly once, when nothing refers to them any more, on any thread, also when this function fails.

 @param buffer       May be NULL when `buffer_size` is 0.
 @param buffer_size  Bytes of `buffer`.
 @param user_data    Passed to `release`.
 @param release      May be NULL (static bytes). Must not call the library.
 @param out_blob     Receives the blob.
 @return Fails with INVALID_ARGUMENT, OUT_OF_MEMORY.*/
    pub fn tn_blob_create_take(
        buffer: *const ::std::os::raw::c_void,
        buffer_size: usize,
        user_data: *mut ::std::os::raw::c_void,
        release: ::std::option::Option<
            unsafe extern "C" fn(user_data: *mut ::std::os::raw::c_void),
        >,
        out_blob: *mut tn_blob_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** A blob with the contents of a file.

 @param path      UTF-8.
 @param out_blob  Receives the blob.
 @return Fails with IO, OUT_OF_MEMORY.*/
    pub fn tn_blob_create_from_file(
        path: *const ::std::os::raw::c_char,
        out_blob: *mut tn_blob_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** A second handle to the same bytes, destroyed on its own.

 @param blob      The blob to share.
 @param out_blob  Receives the new handle.
 @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.*/
    pub fn tn_blob_create_shared(
        blob: tn_blob_t,
        out_blob: *mut tn_blob_t,
    ) -> tn_error_t;
}
extern "C" {
    /// Destroys a handle; the bytes go with their last holder. NULL and bad handles are ignored.
    pub fn tn_blob_destroy(blob: tn_blob_t);
}
extern "C" {
    #[must_use]
    /** The bytes, which stay where they are until this handle is destroyed. Text documents are not terminated.

 @param blob      The blob.
 @param out_data  Receives their address, aligned to 16 bytes if the library made them; NULL when there are
                  none.
 @param out_size  Receives their number.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_blob_get_data(
        blob: tn_blob_t,
        out_data: *mut *const ::std::os::raw::c_void,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Writes the bytes to a file: under another name beside it first, which then takes the file's place, so that
 a reader finds the old contents or the new, never half of them.

 @param blob  The blob.
 @param path  UTF-8.
 @return Fails with INVALID_HANDLE, IO.*/
    pub fn tn_blob_save(
        blob: tn_blob_t,
        path: *const ::std::os::raw::c_char,
    ) -> tn_error_t;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_logger {
    _unused: [u8; 0],
}
/// A destination of messages.
pub type tn_logger_t = *mut tn_logger;
/// How much a message matters.
pub type tn_severity = i32;
/** The caller's functions behind a logger. Set it up with `TN_LOGGER_CALLBACKS_INIT` or
 tn_logger_callbacks_init().*/
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct tn_logger_callbacks {
    ///< of the caller's structure; if it is wrong, nothing else is read
    pub struct_size: usize,
    ///< first argument of every function
    pub user_data: *mut ::std::os::raw::c_void,
    /** Takes one message: UTF-8, terminated, without a line break at its end, borrowed for the call. Called on
 any thread that works for an object that has the logger, perhaps on several at once; it must not throw,
 and should return soon. It may call the library, but not the object that is being used.*/
    pub log: ::std::option::Option<
        unsafe extern "C" fn(
            user_data: *mut ::std::os::raw::c_void,
            severity: tn_severity,
            message: *const ::std::os::raw::c_char,
            message_size: usize,
        ),
    >,
    /// Called exactly once, when nothing needs the table any more, also when it was refused. May be NULL.
    pub release: ::std::option::Option<
        unsafe extern "C" fn(user_data: *mut ::std::os::raw::c_void),
    >,
}
#[test]
fn bindgen_test_layout_tn_logger_callbacks() {
    const UNINIT: ::std::mem::MaybeUninit<tn_logger_callbacks> = ::std::mem::MaybeUninit::uninit();
    let ptr = UNINIT.as_ptr();
    assert_eq!(
        ::std::mem::size_of::<tn_logger_callbacks>(),
        32usize,
        "Size of tn_logger_callbacks",
    );
    assert_eq!(
        ::std::mem::align_of::<tn_logger_callbacks>(),
        8usize,
        "Alignment of tn_logger_callbacks",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).struct_size) as usize - ptr as usize },
        0usize,
        "Offset of field: tn_logger_callbacks::struct_size",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).user_data) as usize - ptr as usize },
        8usize,
        "Offset of field: tn_logger_callbacks::user_data",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).log) as usize - ptr as usize },
        16usize,
        "Offset of field: tn_logger_callbacks::log",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).release) as usize - ptr as usize },
        24usize,
        "Offset of field: tn_logger_callbacks::release",
    );
}
extern "C" {
    /** Does what `TN_LOGGER_CALLBACKS_INIT` does, for languages without macros.

 @param out_callbacks  The table. Nothing happens if it is NULL.
 @param struct_size    Its size in bytes: so much is cleared.*/
    pub fn tn_logger_callbacks_init(
        out_callbacks: *mut tn_logger_callbacks,
        struct_size: usize,
    );
}
extern "C" {
    #[must_use]
    /** Makes a logger.

 @param callbacks     Copied. `log` is needed.
 @param max_severity  Messages that matter less than this are not made.
 @param out_logger    Receives the logger.
 @return Fails with INVALID_ARGUMENT, OUT_OF_MEMORY; the table is then released.*/
    pub fn tn_logger_create(
        callbacks: *const tn_logger_callbacks,
        max_severity: tn_severity,
        out_logger: *mut tn_logger_t,
    ) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle; the logger lives on in what uses it. NULL and bad handles are ignored.
    pub fn tn_logger_destroy(logger: tn_logger_t);
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_allocator {
    _unused: [u8; 0],
}
/// A source of memory.
pub type tn_allocator_t = *mut tn_allocator;
/** The caller's functions behind an allocator. Set it up with `TN_ALLOCATOR_CALLBACKS_INIT` or
 tn_allocator_callbacks_init().*/
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct tn_allocator_callbacks {
    ///< of the caller's structure; if it is wrong, nothing else is read
    pub struct_size: usize,
    ///< first argument of every function
    pub user_data: *mut ::std::os::raw::c_void,
    /** Gives `size` > 0 bytes at a multiple of `alignment`, a power of two, in `*out_memory`. Contents are
 undefined. NULL without an error means lack of memory; an error is handed on to whoever called the
 library. Called on any thread, perhaps on several at once; it must not throw, nor call
 the library.*/
    pub allocate: ::std::option::Option<
        unsafe extern "C" fn(
            user_data: *mut ::std::os::raw::c_void,
            size: usize,
            alignment: usize,
            out_memory: *mut *mut ::std::os::raw::c_void,
        ) -> tn_error_t,
    >,
    /// Takes memory back, with the numbers it was asked for. On any thread. Must not fail.
    pub deallocate: ::std::option::Option<
        unsafe extern "C" fn(
            user_data: *mut ::std::os::raw::c_void,
            memory: *mut ::std::os::raw::c_void,
            size: usize,
            alignment: usize,
        ),
    >,
    /// Called exactly once, after the last deallocate, also when the table was refused. May be NULL.
    pub release: ::std::option::Option<
        unsafe extern "C" fn(user_data: *mut ::std::os::raw::c_void),
    >,
}
#[test]
fn bindgen_test_layout_tn_allocator_callbacks() {
    const UNINIT: ::std::mem::MaybeUninit<tn_allocator_callbacks> = ::std::mem::MaybeUninit::uninit();
    let ptr = UNINIT.as_ptr();
    assert_eq!(
        ::std::mem::size_of::<tn_allocator_callbacks>(),
        40usize,
        "Size of tn_allocator_callbacks",
    );
    assert_eq!(
        ::std::mem::align_of::<tn_allocator_callbacks>(),
        8usize,
        "Alignment of tn_allocator_callbacks",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).struct_size) as usize - ptr as usize },
        0usize,
        "Offset of field: tn_allocator_callbacks::struct_size",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).user_data) as usize - ptr as usize },
        8usize,
        "Offset of field: tn_allocator_callbacks::user_data",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).allocate) as usize - ptr as usize },
        16usize,
        "Offset of field: tn_allocator_callbacks::allocate",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).deallocate) as usize - ptr as usize },
        24usize,
        "Offset of field: tn_allocator_callbacks::deallocate",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).release) as usize - ptr as usize },
        32usize,
        "Offset of field: tn_allocator_callbacks::release",
    );
}
extern "C" {
    /** Does what `TN_ALLOCATOR_CALLBACKS_INIT` does, for languages without macros.

 @param out_callbacks  The table. Nothing happens if it is NULL.
 @param struct_size    Its size in bytes: so much is cleared.*/
    pub fn tn_allocator_callbacks_init(
        out_callbacks: *mut tn_allocator_callbacks,
        struct_size: usize,
    );
}
extern "C" {
    #[must_use]
    /** Makes an allocator.

 @param callbacks      Copied. `allocate` and `deallocate` are needed.
 @param out_allocator  Receives the allocator.
 @return Fails with INVALID_ARGUMENT, OUT_OF_MEMORY; the table is then released.*/
    pub fn tn_allocator_create(
        callbacks: *const tn_allocator_callbacks,
        out_allocator: *mut tn_allocator_t,
    ) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle; the allocator lives on in what uses it. NULL and bad handles are ignored.
    pub fn tn_allocator_destroy(allocator: tn_allocator_t);
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_device {
    _unused: [u8; 0],
}
/// A device of this machine.
pub type tn_device_t = *mut tn_device;
/// Kind of a device.
pub type tn_device_type = i32;
extern "C" {
    /// Number of devices that can be used. Cannot fail; any thread.
    pub fn tn_device_count() -> usize;
}
extern "C" {
    #[must_use]
    /** The name of a device by number, as tn_device_create() takes it.

 @param index     Below tn_device_count().
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with OUT_OF_RANGE.*/
    pub fn tn_device_at(
        index: usize,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** A device by name.

 @param name        "cpu", "cuda", "cuda:1".
 @param out_device  Receives the device.
 @return Fails with UNSUPPORTED (known, but not on this machine), NOT_FOUND (unknown), INVALID_ARGUMENT,
         OUT_OF_MEMORY.*/
    pub fn tn_device_create(
        name: *const ::std::os::raw::c_char,
        out_device: *mut tn_device_t,
    ) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle; nothing happens to the device. NULL and bad handles are ignored.
    pub fn tn_device_destroy(device: tn_device_t);
}
extern "C" {
    #[must_use]
    /** The kind of a device.

 @param device    The device.
 @param out_type  Receives the kind.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_device_get_type(
        device: tn_device_t,
        out_type: *mut tn_device_type,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The name of a device: "cpu", "cuda".

 @param device    The device.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_device_get_name(
        device: tn_device_t,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** What a device can do, as a list with commas: of a CPU its instruction sets ("avx2,avx512,avx512_vnni"),
 "baseline" for none that matter; of a GPU its architecture and product ("sm_90a,NVIDIA H100 80GB HBM3").

 @param device    The device.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_device_get_features(
        device: tn_device_t,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Threads that this process may run at once on a CPU: what a thread count of 0 stands for.

 @param device            The device.
 @param out_thread_count  Receives the number; 0 for devices that have no such limit.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_device_get_thread_count(
        device: tn_device_t,
        out_thread_count: *mut i32,
    ) -> tn_error_t;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_timing_cache {
    _unused: [u8; 0],
}
/// Measured times of kernels.
pub type tn_timing_cache_t = *mut tn_timing_cache;
extern "C" {
    #[must_use]
    /** An empty cache.

 @param out_cache  Receives the cache.
 @return Fails with OUT_OF_MEMORY.*/
    pub fn tn_timing_cache_create(out_cache: *mut tn_timing_cache_t) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle; configurations that have the cache keep it. NULL and bad handles are ignored.
    pub fn tn_timing_cache_destroy(cache: tn_timing_cache_t);
}
extern "C" {
    #[must_use]
    /** Adds the entries of a serialised cache; where both have a key, the loaded entry holds. After a failure
 nothing was added.

 @param cache      The cache.
 @param data       Bytes from tn_timing_cache_serialize(); borrowed for the call.
 @param data_size  Their number.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT (damaged, or not a timing cache), OUT_OF_MEMORY.*/
    pub fn tn_timing_cache_load(
        cache: tn_timing_cache_t,
        data: *const ::std::os::raw::c_void,
        data_size: usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Adds the entries of another cache; where both have a key, the other's entry holds.

 @param cache  The cache that grows.
 @param other  The cache that is read; may be the same.
 @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.*/
    pub fn tn_timing_cache_merge(
        cache: tn_timing_cache_t,
        other: tn_timing_cache_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The entries as bytes, in an order of their own: equal caches give equal bytes.

 @param cache     The cache.
 @param out_blob  Receives the bytes.
 @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.*/
    pub fn tn_timing_cache_serialize(
        cache: tn_timing_cache_t,
        out_blob: *mut tn_blob_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Number of entries.

 @param cache      The cache.
 @param out_count  Receives the number.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_timing_cache_get_count(
        cache: tn_timing_cache_t,
        out_count: *mut usize,
    ) -> tn_error_t;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_optimization_profile {
    _unused: [u8; 0],
}
/// Shapes of a network's inputs.
pub type tn_optimization_profile_t = *mut tn_optimization_profile;
extern "C" {
    #[must_use]
    /** A profile without shapes.

 @param out_profile  Receives the profile.
 @return Fails with OUT_OF_MEMORY.*/
    pub fn tn_optimization_profile_create(
        out_profile: *mut tn_optimization_profile_t,
    ) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle; configurations that it was added to have a copy. NULL and bad handles are ignored.
    pub fn tn_optimization_profile_destroy(profile: tn_optimization_profile_t);
}
extern "C" {
    #[must_use]
    /** Sets one of the three shapes of an input. Whether they fit each other is checked when the profile is added
 to a configuration; whether they fit the network, when it is built.

 @param profile    The profile.
 @param input      Name of the input.
 @param selector   Which of its shapes.
 @param dims       The dims, each ≥ 0; may be NULL when `dims_size` is 0.
 @param dims_size  Their number, at most `TN_MAX_RANK`.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY.*/
    pub fn tn_optimization_profile_set_shape(
        profile: tn_optimization_profile_t,
        input: *const ::std::os::raw::c_char,
        selector: tn_shape_selector,
        dims: *const i64,
        dims_size: usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** One of the shapes that were set.

 @param profile    The profile.
 @param input      Name of the input.
 @param selector   Which of its shapes.
 @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 @param out_size   Receives the number of dims.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND (not set).*/
    pub fn tn_optimization_profile_get_shape(
        profile: tn_optimization_profile_t,
        input: *const ::std::os::raw::c_char,
        selector: tn_shape_selector,
        dims: *mut i64,
        dims_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_builder_config {
    _unused: [u8; 0],
}
/// Options of a build.
pub type tn_builder_config_t = *mut tn_builder_config;
/** Called while a build makes progress. Set it up with `TN_PROGRESS_CALLBACKS_INIT` or
 tn_progress_callbacks_init().*/
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct tn_progress_callbacks {
    ///< of the caller's structure; if it is wrong, nothing else is read
    pub struct_size: usize,
    ///< first argument of every function
    pub user_data: *mut ::std::os::raw::c_void,
    /** `phase` names what is being done; `fraction` is how much of the whole build is done, in [0, 1], and never
 falls. An error cancels the build, which then fails with that error: `TN_ERROR_CANCELLED` is the code to
 use. Called on the thread that builds, with no lock held; it must not throw.*/
    pub update: ::std::option::Option<
        unsafe extern "C" fn(
            user_data: *mut ::std::os::raw::c_void,
            phase: *const ::std::os::raw::c_char,
            fraction: f64,
        ) -> tn_error_t,
    >,
    /// Called exactly once, when nothing needs the table any more, also when it was refused. May be NULL.
    pub release: ::std::option::Option<
        unsafe extern "C" fn(user_data: *mut ::std::os::raw::c_void),
    >,
}
#[test]
fn bindgen_test_layout_tn_progress_callbacks() {
    const UNINIT: ::std::mem::MaybeUninit<tn_progress_callbacks> = ::std::mem::MaybeUninit::uninit();
    let ptr = UNINIT.as_ptr();
    assert_eq!(
        ::std::mem::size_of::<tn_progress_callbacks>(),
        32usize,
        "Size of tn_progress_callbacks",
    );
    assert_eq!(
        ::std::mem::align_of::<tn_progress_callbacks>(),
        8usize,
        "Alignment of tn_progress_callbacks",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).struct_size) as usize - ptr as usize },
        0usize,
        "Offset of field: tn_progress_callbacks::struct_size",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).user_data) as usize - ptr as usize },
        8usize,
        "Offset of field: tn_progress_callbacks::user_data",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).update) as usize - ptr as usize },
        16usize,
        "Offset of field: tn_progress_callbacks::update",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).release) as usize - ptr as usize },
        24usize,
        "Offset of field: tn_progress_callbacks::release",
    );
}
extern "C" {
    /** Does what `TN_PROGRESS_CALLBACKS_INIT` does, for languages without macros.

 @param out_callbacks  The table. Nothing happens if it is NULL.
 @param struct_size    Its size in bytes: so much is cleared.*/
    pub fn tn_progress_callbacks_init(
        out_callbacks: *mut tn_progress_callbacks,
        struct_size: usize,
    );
}
extern "C" {
    #[must_use]
    /** A configuration with the defaults: the CPU, all its threads, no profile, a timing cache of its own, all
 libraries.

 @param out_config  Receives the configuration.
 @return Fails with OUT_OF_MEMORY.*/
    pub fn tn_builder_config_create(out_config: *mut tn_builder_config_t) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle. NULL and bad handles are ignored.
    pub fn tn_builder_config_destroy(config: tn_builder_config_t);
}
extern "C" {
    #[must_use]
    /** Sets the device that the plan is for.

 @param config  The configuration.
 @param device  The device.
 @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.*/
    pub fn tn_builder_config_set_device(
        config: tn_builder_config_t,
        device: tn_device_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets the number of threads that the plan is tuned for. A plan runs with any other number too, if less well.

 @param config        The configuration.
 @param thread_count  1 … 1024, or 0 (the default) for as many as the process may use, or for one where a small network's
                      steps take no longer on one, as measured while the plan is built.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.*/
    pub fn tn_builder_config_set_thread_count(
        config: tn_builder_config_t,
        thread_count: i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The number of threads that was set.

 @param config            The configuration.
 @param out_thread_count  Receives the number; 0 stands for as many as the process may use.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_builder_config_get_thread_count(
        config: tn_builder_config_t,
        out_thread_count: *mut i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Adds a copy of a profile. Without any, every dynamic dim becomes 1, with a warning. An input that a profile
 does not name must have no dynamic dims.

 @param config     The configuration.
 @param profile    Each of its inputs must have all three shapes, of one rank, with min ≤ opt ≤ max.
 @param out_index  Receives the profile's number in the plan. May be NULL.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY.*/
    pub fn tn_builder_config_add_profile(
        config: tn_builder_config_t,
        profile: tn_optimization_profile_t,
        out_index: *mut i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Number of profiles that were added.

 @param config     The configuration.
 @param out_count  Receives the number.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_builder_config_get_profile_count(
        config: tn_builder_config_t,
        out_count: *mut i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets the timing cache that builds read and fill.

 @param config  The configuration.
 @param cache   Shared, not copied. NULL: a new one for each build.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_builder_config_set_timing_cache(
        config: tn_builder_config_t,
        cache: tn_timing_cache_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Says whether kernels of the oneDNN library may be chosen.

 @param config   The configuration.
 @param enabled  1 (the default): where the library is there and is faster. 0: never.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.*/
    pub fn tn_builder_config_set_onednn_enabled(
        config: tn_builder_config_t,
        enabled: i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Whether kernels of the oneDNN library may be chosen.

 @param config       The configuration.
 @param out_enabled  Receives 0 or 1.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_builder_config_get_onednn_enabled(
        config: tn_builder_config_t,
        out_enabled: *mut i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets how much time a build may take to find fast kernels.

 @param config  The configuration.
 @param level   0 … 5: of each way to compute a layer, 1, 2, 4, 8 (at 3, the default), 16 or all variants are timed.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.*/
    pub fn tn_builder_config_set_optimization_level(
        config: tn_builder_config_t,
        level: i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The level that was set.

 @param config     The configuration.
 @param out_level  Receives the level.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_builder_config_get_optimization_level(
        config: tn_builder_config_t,
        out_level: *mut i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets when a build stops timing kernels. A layer that has not had its turn by then takes the best of what the timing
 cache knows, else the first kernel that can compute it; the report says which. The build ends soon after: it still
 lays out weights and writes the plan. A later build with the same timing cache makes the same choice.

 @param config   The configuration.
 @param seconds  After the build's begin, up to 1e6; 0, the default, for no deadline.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.*/
    pub fn tn_builder_config_set_deadline(
        config: tn_builder_config_t,
        seconds: f64,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The deadline that was set.

 @param config       The configuration.
 @param out_seconds  Receives the seconds; 0 for none.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_builder_config_get_deadline(
        config: tn_builder_config_t,
        out_seconds: *mut f64,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Says whether FP32 work may be done in a lower precision. On the CPU only BF16 has an effect, and only where the processor
 multiplies it (AVX512_BF16): operands of matrix products and convolutions are rounded to it, and tensors stay in FP32.

 @param config     The configuration.
 @param precision  The precision.
 @param allowed    0 or 1.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.*/
    pub fn tn_builder_config_set_precision_allowed(
        config: tn_builder_config_t,
        precision: tn_precision,
        allowed: i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Whether FP32 work may be done in a precision.

 @param config       The configuration.
 @param precision    The precision.
 @param out_allowed  Receives 0 or 1.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.*/
    pub fn tn_builder_config_get_precision_allowed(
        config: tn_builder_config_t,
        precision: tn_precision,
        out_allowed: *mut i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets an experimental option. These may change or go in any version.

 | key               | value |
 | ----------------- | ----- |
 | `disable_passes`  | names of passes that are skipped, with commas |
 | `disable_tactics` | names of tactics that are not tried, with commas |
 | `force_tactic`    | the tactic that every node it can compute must take |
 | `timer`           | `real`; for tests, `fake`: costs from a model, the same in every run; `shuffled:7`: costs from that number alone, so that other numbers choose other kernels |
 | `mask_cpu`        | instruction sets that the plan must not use, with commas: `avx512`, `amx`, … |
 | `code_cache`      | folder where compiled GPU kernels are kept between builds |
 | `check_passes`    | `1`: after every pass the graph's text must survive printing and parsing; for tests |

 Whether a pass or tactic of a name exists, tn_builder_build() checks.

 @param config  The configuration.
 @param key     One of the keys above.
 @param value   Its value; "" takes the option back.
 @return Fails with INVALID_HANDLE, NOT_FOUND (no such key), INVALID_ARGUMENT (no such value),
         OUT_OF_MEMORY.*/
    pub fn tn_builder_config_set_option(
        config: tn_builder_config_t,
        key: *const ::std::os::raw::c_char,
        value: *const ::std::os::raw::c_char,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The value of an experimental option; "" if it was not set.

 @param config    The configuration.
 @param key       See tn_builder_config_set_option().
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND (no such key).*/
    pub fn tn_builder_config_get_option(
        config: tn_builder_config_t,
        key: *const ::std::os::raw::c_char,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets who hears of a build's progress and may cancel it.

 @param config     The configuration.
 @param callbacks  Copied; `update` is needed. NULL: nobody. The table that was set before is released once
                   no build uses it.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY; the new table is then released.*/
    pub fn tn_builder_config_set_progress(
        config: tn_builder_config_t,
        callbacks: *const tn_progress_callbacks,
    ) -> tn_error_t;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_builder {
    _unused: [u8; 0],
}
/// Makes networks and plans: see builder.h.
pub type tn_builder_t = *mut tn_builder;
#[repr(C)]
#[derive(Debug)]
pub struct tn_network {
    _unused: [u8; 0],
}
/// A network as its user defined it.
pub type tn_network_t = *mut tn_network;
extern "C" {
    #[must_use]
    /** Reads an ONNX model from a file, which is mapped and must not change until the network is destroyed.
 External data is opened beneath the file's folder only.

 @param builder      Gives the logger and the limits.
 @param path         UTF-8.
 @param out_network  Receives the network.
 @return Fails with INVALID_HANDLE, IO, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.*/
    pub fn tn_network_create_from_onnx_file(
        builder: tn_builder_t,
        path: *const ::std::os::raw::c_char,
        out_network: *mut tn_network_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Reads an ONNX model from bytes, which are copied. It must not refer to external data.

 @param builder      Gives the logger and the limits.
 @param data         The model; borrowed for the call.
 @param data_size    Its size in bytes.
 @param out_network  Receives the network.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED,
         OUT_OF_MEMORY.*/
    pub fn tn_network_create_from_onnx(
        builder: tn_builder_t,
        data: *const ::std::os::raw::c_void,
        data_size: usize,
        out_network: *mut tn_network_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Reads an ONNX model from a blob, which the network keeps: nothing is copied. It must not refer to external
 data.

 @param builder      Gives the logger and the limits.
 @param blob         The model.
 @param out_network  Receives the network.
 @return Fails with INVALID_HANDLE, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.*/
    pub fn tn_network_create_from_onnx_blob(
        builder: tn_builder_t,
        blob: tn_blob_t,
        out_network: *mut tn_network_t,
    ) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle. NULL and bad handles are ignored.
    pub fn tn_network_destroy(network: tn_network_t);
}
extern "C" {
    #[must_use]
    /** Name of the network; may be empty.

 @param network   The network.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_network_get_name(
        network: tn_network_t,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Number of the network's inputs and outputs together. Inputs come first, both in the network's order.

 @param network    The network.
 @param out_count  Receives the number.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_network_get_tensor_count(
        network: tn_network_t,
        out_count: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The number of an input or output by its name.

 @param network    The network.
 @param name       Name of the tensor.
 @param out_index  Receives its number.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND; the message names what there is.*/
    pub fn tn_network_find_tensor(
        network: tn_network_t,
        name: *const ::std::os::raw::c_char,
        out_index: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Name of an input or output.

 @param network   The network.
 @param index     Below the number of tensors.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_network_get_tensor_name(
        network: tn_network_t,
        index: usize,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Whether a tensor is an input or an output.

 @param network   The network.
 @param index     Below the number of tensors.
 @param out_mode  Receives the mode.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_network_get_tensor_mode(
        network: tn_network_t,
        index: usize,
        out_mode: *mut tn_io_mode,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Type of a tensor's elements. `TN_DATA_TYPE_NONE` for outputs whose type only a build finds out.

 @param network        The network.
 @param index          Below the number of tensors.
 @param out_data_type  Receives the type.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_network_get_tensor_data_type(
        network: tn_network_t,
        index: usize,
        out_data_type: *mut tn_data_type,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Dims of a tensor; -1 for those that depend on the shapes of the inputs. An output whose shape only a
 build finds out gives UNSUPPORTED: ask the engine.

 @param network    The network.
 @param index      Below the number of tensors.
 @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 @param out_size   Receives the number of dims.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_RANGE, UNSUPPORTED.*/
    pub fn tn_network_get_tensor_shape(
        network: tn_network_t,
        index: usize,
        dims: *mut i64,
        dims_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Name of a dynamic dim: dims of one name are equal when the network runs. Empty for dims that are not
 dynamic.

 @param network   The network.
 @param index     Below the number of tensors.
 @param dim       Below the number of the tensor's dims.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE, UNSUPPORTED (as tn_network_get_tensor_shape()).*/
    pub fn tn_network_get_tensor_dim_name(
        network: tn_network_t,
        index: usize,
        dim: usize,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Number of the model's nodes.

 @param network    The network.
 @param out_count  Receives the number.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_network_get_node_count(
        network: tn_network_t,
        out_count: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** A description of the network: as text, its graph in the form that the project's documentation describes; as
 JSON, an object with name, inputs, outputs, weights and nodes.

 @param network       The network.
 @param format        Text or JSON.
 @param out_document  Receives the document in UTF-8.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY.*/
    pub fn tn_network_get_information(
        network: tn_network_t,
        format: tn_document_format,
        out_document: *mut tn_blob_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The network as an ONNX model that computes the same: nodes, weights and names as they were imported, with calls
 of functions replaced by the functions' nodes.

 @param network           The network.
 @param weights_location  What the model is to name as the file of its larger weights, relative to its own
                          folder; NULL: they are in the model, which must not exceed 2 GB.
 @param out_model         Receives the model.
 @param out_weights       Receives the bytes for that file; empty without a location. May be NULL then.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.*/
    pub fn tn_network_serialize_to_onnx(
        network: tn_network_t,
        weights_location: *const ::std::os::raw::c_char,
        out_model: *mut tn_blob_t,
        out_weights: *mut tn_blob_t,
    ) -> tn_error_t;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_onnx_model {
    _unused: [u8; 0],
}
/// An ONNX model.
pub type tn_onnx_model_t = *mut tn_onnx_model;
extern "C" {
    #[must_use]
    /** Reads a model from a file, which is mapped and must not change until the model, and every network made of it,
 is destroyed. External data is opened beneath the file's folder only, and only where it is needed.

 @param builder    Gives the logger and the limits.
 @param path       UTF-8.
 @param out_model  Receives the model.
 @return Fails with INVALID_HANDLE, IO, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.*/
    pub fn tn_onnx_model_create_from_file(
        builder: tn_builder_t,
        path: *const ::std::os::raw::c_char,
        out_model: *mut tn_onnx_model_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Reads a model from a blob, which the model and its networks keep: nothing is copied. External data must be given.

 @param builder    Gives the logger and the limits.
 @param blob       The model's bytes.
 @param out_model  Receives the model.
 @return Fails with INVALID_HANDLE, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.*/
    pub fn tn_onnx_model_create_from_blob(
        builder: tn_builder_t,
        blob: tn_blob_t,
        out_model: *mut tn_onnx_model_t,
    ) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle. NULL and bad handles are ignored.
    pub fn tn_onnx_model_destroy(model: tn_onnx_model_t);
}
extern "C" {
    #[must_use]
    /** Gives a weight in place of the model's own: of an initialiser, whose data in the model or beside it is then not
 looked at; of an input, which becomes a constant; or of a name that nodes read and that nothing makes. A value
 that was given before is dropped. Networks that are made from then on have it, and keep the blob: nothing is
 copied, but elements that do not lie as a kernel reads them (unaligned ones, types of less than a byte).

 @param model      The model.
 @param data       Holds the elements: row-major, little-endian, those of less than a byte two or four in a
                   byte, as ONNX's raw_data and external data have them.
 @param name       Name of the weight in the model.
 @param data_type  Must be the model's, where it says.
 @param dims       Must be the model's, where it says; may be NULL when `dims_size` is 0.
 @param dims_size  Their number.
 @param offset     Of the first element in `data`, in bytes.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY; the
         message names the weight.*/
    pub fn tn_onnx_model_set_initializer(
        model: tn_onnx_model_t,
        data: tn_blob_t,
        name: *const ::std::os::raw::c_char,
        data_type: tn_data_type,
        dims: *const i64,
        dims_size: usize,
        offset: usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** What of a model is supported: for each node whether it is, which core ops it becomes, who computes it on each
 device, and else all that is wrong with it, with the nearest operator that is supported. No device is needed.

 @param model          The model.
 @param format         Text or JSON: the project's page on reading ONNX models describes both.
 @param out_supported  Receives 1 if every node that an output needs is supported and nothing else is wrong,
                       else 0.
 @param out_document   Receives the document in UTF-8.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY.*/
    pub fn tn_onnx_model_get_capability(
        model: tn_onnx_model_t,
        format: tn_document_format,
        out_supported: *mut i32,
        out_document: *mut tn_blob_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** What of an operator is supported, without a model: in which op sets, which core ops it becomes, who computes
 those on each device; of one that is not, the nearest that is.

 @param domain         The operator's domain; "" and "ai.onnx" are ONNX's own.
 @param op_type        Its name.
 @param version        Version of the domain's op set that a model imports.
 @param format         Text or JSON.
 @param out_supported  Receives 1 if the operator is supported in that op set, else 0.
 @param out_document   Receives the document in UTF-8.
 @return Fails with INVALID_ARGUMENT, OUT_OF_MEMORY.*/
    pub fn tn_onnx_operator_get_capability(
        domain: *const ::std::os::raw::c_char,
        op_type: *const ::std::os::raw::c_char,
        version: i64,
        format: tn_document_format,
        out_supported: *mut i32,
        out_document: *mut tn_blob_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The network that a model is, with the weights that were given.

 @param model        The model, which may be used on.
 @param out_network  Receives the network.
 @return Fails with INVALID_HANDLE, IO, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.*/
    pub fn tn_network_create_from_onnx_model(
        model: tn_onnx_model_t,
        out_network: *mut tn_network_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** A builder without a logger and with the library's limits.

 @param out_builder  Receives the builder.
 @return Fails with OUT_OF_MEMORY.*/
    pub fn tn_builder_create(out_builder: *mut tn_builder_t) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle. NULL and bad handles are ignored.
    pub fn tn_builder_destroy(builder: tn_builder_t);
}
extern "C" {
    #[must_use]
    /** Sets where messages of imports and builds go, from the next one on.

 @param builder  The builder.
 @param logger   NULL: nowhere.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_builder_set_logger(
        builder: tn_builder_t,
        logger: tn_logger_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets a limit for models that are imported and plans that are built.

 @param builder  The builder.
 @param limit    Which one.
 @param value    Greater than 0, in the unit that the limit's name says.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.*/
    pub fn tn_builder_set_limit(
        builder: tn_builder_t,
        limit: tn_limit,
        value: i64,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** A limit.

 @param builder    The builder.
 @param limit      Which one.
 @param out_value  Receives its value.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.*/
    pub fn tn_builder_get_limit(
        builder: tn_builder_t,
        limit: tn_limit,
        out_value: *mut i64,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Builds a plan for this machine: what tn_engine_create() takes. It measures kernels, so it takes a while and
 should have the machine for itself. The network is not changed.

 @param builder     The builder.
 @param network     The network.
 @param config      How to build it.
 @param out_plan    Receives the plan. The same network, configuration and timing cache give the same bytes.
 @param out_report  Receives the build report, a JSON object: every node's candidates with their times or
                    the reasons why they were refused, every fusion. May be NULL.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT (a profile that does not fit the network),
         INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, CANCELLED or whatever the progress callback gave,
         OUT_OF_MEMORY.*/
    pub fn tn_builder_build(
        builder: tn_builder_t,
        network: tn_network_t,
        config: tn_builder_config_t,
        out_plan: *mut tn_blob_t,
        out_report: *mut tn_blob_t,
    ) -> tn_error_t;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_runtime {
    _unused: [u8; 0],
}
/// Settings of engines.
pub type tn_runtime_t = *mut tn_runtime;
extern "C" {
    #[must_use]
    /** A runtime without a logger, with the process's heap, the plan's thread count and the library's limits.

 @param out_runtime  Receives the runtime.
 @return Fails with OUT_OF_MEMORY.*/
    pub fn tn_runtime_create(out_runtime: *mut tn_runtime_t) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle; its engines live on. NULL and bad handles are ignored.
    pub fn tn_runtime_destroy(runtime: tn_runtime_t);
}
extern "C" {
    #[must_use]
    /** Sets where the messages of engines go.

 @param runtime  The runtime.
 @param logger   NULL: nowhere.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_runtime_set_logger(
        runtime: tn_runtime_t,
        logger: tn_logger_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets where the memory of engines comes from.

 @param runtime    The runtime.
 @param allocator  NULL: the process's heap.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_runtime_set_allocator(
        runtime: tn_runtime_t,
        allocator: tn_allocator_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets the number of threads that work for one engine. An engine has one team of threads, which its contexts
 use by turns; with 1 there is no team: every call works on its caller's thread, and contexts run beside
 each other.

 @param runtime       The runtime.
 @param thread_count  1 … 1024, or 0 for what the plan was tuned for (the default).
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.*/
    pub fn tn_runtime_set_thread_count(
        runtime: tn_runtime_t,
        thread_count: i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The number of threads that was set.

 @param runtime           The runtime.
 @param out_thread_count  Receives the number; 0 stands for what the plan was tuned for.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_runtime_get_thread_count(
        runtime: tn_runtime_t,
        out_thread_count: *mut i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets a limit for plans that are loaded.

 @param runtime  The runtime.
 @param limit    Which one.
 @param value    Greater than 0, in the unit that the limit's name says.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.*/
    pub fn tn_runtime_set_limit(
        runtime: tn_runtime_t,
        limit: tn_limit,
        value: i64,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** A limit.

 @param runtime    The runtime.
 @param limit      Which one.
 @param out_value  Receives its value.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.*/
    pub fn tn_runtime_get_limit(
        runtime: tn_runtime_t,
        limit: tn_limit,
        out_value: *mut i64,
    ) -> tn_error_t;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_engine {
    _unused: [u8; 0],
}
/// A plan that is loaded.
pub type tn_engine_t = *mut tn_engine;
extern "C" {
    #[must_use]
    /** Loads a plan.

 @param runtime     Gives logger, allocator, thread count and limits.
 @param plan        Bytes of a plan; what is needed of them is copied.
 @param plan_size   Their number.
 @param out_engine  Receives the engine.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, INVALID_PLAN, INCOMPATIBLE_PLAN, UNSUPPORTED,
         LIMIT_EXCEEDED, OUT_OF_MEMORY, or whatever the allocator gave.*/
    pub fn tn_engine_create(
        runtime: tn_runtime_t,
        plan: *const ::std::os::raw::c_void,
        plan_size: usize,
        out_engine: *mut tn_engine_t,
    ) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle; the engine's contexts keep it alive. NULL and bad handles are ignored.
    pub fn tn_engine_destroy(engine: tn_engine_t);
}
extern "C" {
    #[must_use]
    /** The plan with the weights that are in force now.

 @param engine    The engine.
 @param out_plan  Receives the plan.
 @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.*/
    pub fn tn_engine_serialize(
        engine: tn_engine_t,
        out_plan: *mut tn_blob_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Name of the network; may be empty.

 @param engine    The engine.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_engine_get_name(
        engine: tn_engine_t,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Number of threads that work for the engine.

 @param engine            The engine.
 @param out_thread_count  Receives the number.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_engine_get_thread_count(
        engine: tn_engine_t,
        out_thread_count: *mut i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Number of the engine's inputs and outputs together. Inputs come first, both in the network's order.

 @param engine     The engine.
 @param out_count  Receives the number.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_engine_get_tensor_count(
        engine: tn_engine_t,
        out_count: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The number of an input or output by its name.

 @param engine     The engine.
 @param name       Name of the tensor.
 @param out_index  Receives its number.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND; the message names what there is.*/
    pub fn tn_engine_find_tensor(
        engine: tn_engine_t,
        name: *const ::std::os::raw::c_char,
        out_index: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Name of an input or output.

 @param engine    The engine.
 @param index     Below the number of tensors.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_engine_get_tensor_name(
        engine: tn_engine_t,
        index: usize,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Whether a tensor is an input or an output.

 @param engine    The engine.
 @param index     Below the number of tensors.
 @param out_mode  Receives the mode.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_engine_get_tensor_mode(
        engine: tn_engine_t,
        index: usize,
        out_mode: *mut tn_io_mode,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Type of a tensor's elements.

 @param engine         The engine.
 @param index          Below the number of tensors.
 @param out_data_type  Receives the type.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_engine_get_tensor_data_type(
        engine: tn_engine_t,
        index: usize,
        out_data_type: *mut tn_data_type,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Dims of a tensor; -1 for those that depend on the shapes of the inputs.

 @param engine     The engine.
 @param index      Below the number of tensors.
 @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 @param out_size   Receives the number of dims.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_RANGE.*/
    pub fn tn_engine_get_tensor_shape(
        engine: tn_engine_t,
        index: usize,
        dims: *mut i64,
        dims_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** How the elements of a tensor's buffer must lie in memory.

 @param engine      The engine.
 @param index       Below the number of tensors.
 @param out_format  Receives the format.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_engine_get_tensor_format(
        engine: tn_engine_t,
        index: usize,
        out_format: *mut tn_tensor_format,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** In which memory a tensor's buffer must lie. Strings lie on the host, whatever the engine's device.

 @param engine        The engine.
 @param index         Below the number of tensors.
 @param out_location  Receives the location.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_engine_get_tensor_location(
        engine: tn_engine_t,
        index: usize,
        out_location: *mut tn_tensor_location,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Number of the plan's profiles, at least 1.

 @param engine     The engine.
 @param out_count  Receives the number.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_engine_get_profile_count(
        engine: tn_engine_t,
        out_count: *mut i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** One of the shapes of an input in a profile.

 @param engine     The engine.
 @param profile    Below the number of profiles.
 @param input      Name of the input.
 @param selector   Which of its shapes.
 @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 @param out_size   Receives the number of dims.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT (also for an output), OUT_OF_RANGE, NOT_FOUND.*/
    pub fn tn_engine_get_profile_shape(
        engine: tn_engine_t,
        profile: i32,
        input: *const ::std::os::raw::c_char,
        selector: tn_shape_selector,
        dims: *mut i64,
        dims_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Memory that each context of a profile takes for intermediate results.

 @param engine     The engine.
 @param profile    Below the number of profiles.
 @param out_bytes  Receives the number of bytes.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_engine_get_arena_size(
        engine: tn_engine_t,
        profile: i32,
        out_bytes: *mut u64,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Memory that the engine's weights take.

 @param engine     The engine.
 @param out_bytes  Receives the number of bytes.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_engine_get_weight_size(
        engine: tn_engine_t,
        out_bytes: *mut u64,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Number of layers that a profile runs, in order: what a profiler reports times of.

 @param engine     The engine.
 @param profile    Below the number of profiles.
 @param out_count  Receives the number.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_engine_get_layer_count(
        engine: tn_engine_t,
        profile: i32,
        out_count: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Name of a layer.

 @param engine    The engine.
 @param profile   Below the number of profiles.
 @param index     Below the number of layers.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_engine_get_layer_name(
        engine: tn_engine_t,
        profile: i32,
        index: usize,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The kernel that computes a layer.

 @param engine    The engine.
 @param profile   Below the number of profiles.
 @param index     Below the number of layers.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_engine_get_layer_kernel(
        engine: tn_engine_t,
        profile: i32,
        index: usize,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The nodes of the ONNX model that a layer computes, wholly or in part: their names, with a line break after
 each but the last. Empty for layers that serve none, such as a change of format.

 @param engine    The engine.
 @param profile   Below the number of profiles.
 @param index     Below the number of layers.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_engine_get_layer_origins(
        engine: tn_engine_t,
        profile: i32,
        index: usize,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_execution_context {
    _unused: [u8; 0],
}
/// What one run of an engine needs.
pub type tn_execution_context_t = *mut tn_execution_context;
/** Called with the time of each layer. Set it up with `TN_PROFILER_CALLBACKS_INIT` or
 tn_profiler_callbacks_init().*/
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct tn_profiler_callbacks {
    ///< of the caller's structure; if it is wrong, nothing else is read
    pub struct_size: usize,
    ///< first argument of every function
    pub user_data: *mut ::std::os::raw::c_void,
    /** Layer `index` of the context's profile took `microseconds`. `name` is the layer's; `kernel` is what
 computed it; `origins` are the ONNX nodes that it computes, as tn_engine_get_layer_origins() gives them.
 All are borrowed for the call. Called after each layer on the thread that runs the network, which it
 holds up; it must not throw and must not call the context or another one of its engine. An error is given
 back by the run or wait, once the run has ended.*/
    pub layer: ::std::option::Option<
        unsafe extern "C" fn(
            user_data: *mut ::std::os::raw::c_void,
            index: usize,
            name: *const ::std::os::raw::c_char,
            kernel: *const ::std::os::raw::c_char,
            origins: *const ::std::os::raw::c_char,
            microseconds: f64,
        ) -> tn_error_t,
    >,
    /// Called exactly once, when nothing needs the table any more, also when it was refused. May be NULL.
    pub release: ::std::option::Option<
        unsafe extern "C" fn(user_data: *mut ::std::os::raw::c_void),
    >,
}
#[test]
fn bindgen_test_layout_tn_profiler_callbacks() {
    const UNINIT: ::std::mem::MaybeUninit<tn_profiler_callbacks> = ::std::mem::MaybeUninit::uninit();
    let ptr = UNINIT.as_ptr();
    assert_eq!(
        ::std::mem::size_of::<tn_profiler_callbacks>(),
        32usize,
        "Size of tn_profiler_callbacks",
    );
    assert_eq!(
        ::std::mem::align_of::<tn_profiler_callbacks>(),
        8usize,
        "Alignment of tn_profiler_callbacks",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).struct_size) as usize - ptr as usize },
        0usize,
        "Offset of field: tn_profiler_callbacks::struct_size",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).user_data) as usize - ptr as usize },
        8usize,
        "Offset of field: tn_profiler_callbacks::user_data",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).layer) as usize - ptr as usize },
        16usize,
        "Offset of field: tn_profiler_callbacks::layer",
    );
    assert_eq!(
        unsafe { ::std::ptr::addr_of!((*ptr).release) as usize - ptr as usize },
        24usize,
        "Offset of field: tn_profiler_callbacks::release",
    );
}
extern "C" {
    /** Does what `TN_PROFILER_CALLBACKS_INIT` does, for languages without macros.

 @param out_callbacks  The table. Nothing happens if it is NULL.
 @param struct_size    Its size in bytes: so much is cleared.*/
    pub fn tn_profiler_callbacks_init(
        out_callbacks: *mut tn_profiler_callbacks,
        struct_size: usize,
    );
}
extern "C" {
    #[must_use]
    /** A context of an engine, with its own arena.

 @param engine       The engine, which the context keeps alive.
 @param profile      Below the number of profiles.
 @param out_context  Receives the context.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE, OUT_OF_MEMORY, or whatever the allocator gave.*/
    pub fn tn_execution_context_create(
        engine: tn_engine_t,
        profile: i32,
        out_context: *mut tn_execution_context_t,
    ) -> tn_error_t;
}
extern "C" {
    /** Destroys the handle. A run that was enqueued is waited for; one that another thread is in goes on. NULL and
 bad handles are ignored.*/
    pub fn tn_execution_context_destroy(context: tn_execution_context_t);
}
extern "C" {
    #[must_use]
    /** Changes the profile. Shapes and buffers must be set again afterwards.

 @param context  The context.
 @param profile  Below the number of profiles.
 @return Fails with INVALID_HANDLE, BUSY, OUT_OF_RANGE, OUT_OF_MEMORY, or whatever the allocator gave; the
         context is then as it was.*/
    pub fn tn_execution_context_set_profile(
        context: tn_execution_context_t,
        profile: i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The profile that is in use.

 @param context      The context.
 @param out_profile  Receives its number.
 @return Fails with INVALID_HANDLE, BUSY.*/
    pub fn tn_execution_context_get_profile(
        context: tn_execution_context_t,
        out_profile: *mut i32,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets the dims of an input. Needed for inputs with dynamic dims.

 @param context    The context.
 @param input      Name of the input.
 @param dims       The dims; may be NULL when `dims_size` is 0.
 @param dims_size  Their number.
 @return Fails with INVALID_HANDLE, BUSY, INVALID_ARGUMENT, NOT_FOUND, OUT_OF_RANGE (outside the profile;
         the message names input, dim and range), OUT_OF_MEMORY.*/
    pub fn tn_execution_context_set_input_shape(
        context: tn_execution_context_t,
        input: *const ::std::os::raw::c_char,
        dims: *const i64,
        dims_size: usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The dims of an input or output at the input shapes that are set. Dims that follow from the inputs' values (of NonZero,
 NonMaxSuppression, ...) are what the last run found, until tn_execution_context_set_input_shape() is called, with whatever
 dims; before a run they are the most that the profile allows, so that a buffer for them holds every result. An output lies
 at the beginning of its buffer; what is behind it in the buffer is undefined. A run whose output does not fit its buffer
 fails with INVALID_ARGUMENT.

 A dim that nothing bounds before the run (the pieces of StringSplit) is -1. Run with a buffer of any size, also of 0 bytes:
 if it is too small, the run fails and the dims that it found are given from then on. Set a buffer for them and run again.

 @param context    The context.
 @param tensor     Name of the tensor.
 @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 @param out_size   Receives the number of dims.
 @return Fails with INVALID_HANDLE, BUSY, NOT_FOUND, INVALID_ARGUMENT (also while the shape of an input that
         it depends on is not set), OUT_OF_MEMORY.*/
    pub fn tn_execution_context_get_shape(
        context: tn_execution_context_t,
        tensor: *const ::std::os::raw::c_char,
        dims: *mut i64,
        dims_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets the memory that an input is read from or an output is written to. Each must have one before a run.

 On a GPU, give memory of the engine's device (tn_engine_get_tensor_location() says DEVICE), aligned to 16 bytes. Memory of
 the host, and less aligned memory of the device, is taken too: it is copied through memory of the context's in each run,
 in order with the run's other work. Pinned host memory makes such copies asynchronous.

 @param context      The context.
 @param tensor       Name of the tensor.
 @param buffer       Used by every later run, until another is set: it must stay valid for as long. Inputs
                     are only read. Aligned to the size of an element, of strings to a pointer's. NULL when `buffer_size` is
                     0.
 @param buffer_size  Its size in bytes, at least that of the tensor at the shapes that are set when it runs.
 @return Fails with INVALID_HANDLE, BUSY, NOT_FOUND, INVALID_ARGUMENT, OUT_OF_MEMORY.*/
    pub fn tn_execution_context_set_buffer(
        context: tn_execution_context_t,
        tensor: *const ::std::os::raw::c_char,
        buffer: *mut ::std::os::raw::c_void,
        buffer_size: usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Prepares everything for the shapes that are set, so that the next run neither plans nor allocates. Without
 it the first run after a change of shape does.

 @param context  The context.
 @return Fails with INVALID_HANDLE, BUSY, INVALID_ARGUMENT (a shape is missing), OUT_OF_RANGE,
         OUT_OF_MEMORY.*/
    pub fn tn_execution_context_prepare(context: tn_execution_context_t) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Runs the network and returns when its outputs are there.

 @param context  The context.
 @return Fails with INVALID_HANDLE, BUSY, INVALID_ARGUMENT (a shape or buffer is missing or too small),
         OUT_OF_RANGE (also an index among the data that is outside its tensor), OUT_OF_MEMORY, or whatever
         the profiler gave. The contents of the outputs are then undefined.*/
    pub fn tn_execution_context_run(context: tn_execution_context_t) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Runs the network as tn_execution_context_run() does, and gives the time that the device took: on a GPU between two
 events around the network's work, copies of buffers that lie elsewhere left out; on the CPU by the clock.

 @param context           The context.
 @param out_microseconds  Receives the time.
 @return Fails as tn_execution_context_run().*/
    pub fn tn_execution_context_run_measured(
        context: tn_execution_context_t,
        out_microseconds: *mut f64,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Runs the network as tn_execution_context_run() does, one part after the other, and gives the times beside the device's
 own. On a GPU, copies are timed by the device; the time to enqueue is the host's, as it would be with buffers on the
 device. On the CPU nothing is copied, and with one thread the run is done when it is enqueued.

 @param context                   The context.
 @param out_input_microseconds    Receives the time of copying the inputs whose buffers do not lie on the device; 0 when
                                  there are none.
 @param out_enqueue_microseconds  Receives the time that the host took to queue the network's work.
 @param out_output_microseconds   Receives the time of copying outputs, likewise.
 @return Fails as tn_execution_context_run().*/
    pub fn tn_execution_context_run_in_parts(
        context: tn_execution_context_t,
        out_input_microseconds: *mut f64,
        out_enqueue_microseconds: *mut f64,
        out_output_microseconds: *mut f64,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Whether the next run, with the shapes, buffers and weights that are set, is one replay of a recording that the device
 made of an earlier one. A recording that is due is made by this call, as it would be by the run.

 @param context              The context.
 @param out_replayed         Receives 1 or 0; always 0 on the CPU.
 @param out_recording_count  Receives how many recordings the context has made, also in vain. While it stays, nothing was
                             recorded anew. May be NULL.
 @return Fails with INVALID_HANDLE, BUSY, INVALID_ARGUMENT (a shape or buffer is missing or too small), OUT_OF_RANGE,
         OUT_OF_MEMORY.*/
    pub fn tn_execution_context_get_replay(
        context: tn_execution_context_t,
        out_replayed: *mut i32,
        out_recording_count: *mut u64,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Why the next run is not a replay; empty if it is one.

 @param context   The context.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails as tn_execution_context_get_replay().*/
    pub fn tn_execution_context_get_replay_refusal(
        context: tn_execution_context_t,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Starts a run, which tn_execution_context_wait() waits for. Buffers must not be touched until then. On the
 CPU with one thread the run is done when this returns.

 @param context  The context.
 @param stream   On a CUDA device, the `cudaStream_t` to work on. NULL on the CPU.
 @return Fails as tn_execution_context_run(); what fails later is given by the wait.*/
    pub fn tn_execution_context_enqueue(
        context: tn_execution_context_t,
        stream: *mut ::std::os::raw::c_void,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Waits for the run that was enqueued and gives its result. Returns at once, without an error, if there is
 none.

 @param context  The context.
 @return Fails with INVALID_HANDLE, BUSY, or as tn_execution_context_run().*/
    pub fn tn_execution_context_wait(context: tn_execution_context_t) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets who is told the time of each layer. Measuring slows a run down a little. On a GPU a run with a profiler waits for
 every layer, and tn_execution_context_enqueue() calls `layer` itself and returns when the run has ended.

 @param context    The context.
 @param callbacks  Copied; `layer` is needed. NULL: nobody. The table that was set before is released.
 @return Fails with INVALID_HANDLE, BUSY, INVALID_ARGUMENT, OUT_OF_MEMORY; the new table is then released.*/
    pub fn tn_execution_context_set_profiler(
        context: tn_execution_context_t,
        callbacks: *const tn_profiler_callbacks,
    ) -> tn_error_t;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_engine_inspector {
    _unused: [u8; 0],
}
/// Describes a plan.
pub type tn_engine_inspector_t = *mut tn_engine_inspector;
extern "C" {
    #[must_use]
    /** An inspector of an engine's plan.

 @param engine         The engine, which the inspector keeps alive.
 @param out_inspector  Receives the inspector.
 @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.*/
    pub fn tn_engine_inspector_create(
        engine: tn_engine_t,
        out_inspector: *mut tn_engine_inspector_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** An inspector of a plan that is not loaded, which may be for another machine. It is checked like one that is
 loaded.

 @param plan           Bytes of a plan; copied.
 @param plan_size      Their number.
 @param out_inspector  Receives the inspector.
 @return Fails with INVALID_ARGUMENT, INVALID_PLAN, LIMIT_EXCEEDED, OUT_OF_MEMORY.*/
    pub fn tn_engine_inspector_create_from_plan(
        plan: *const ::std::os::raw::c_void,
        plan_size: usize,
        out_inspector: *mut tn_engine_inspector_t,
    ) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle. NULL and bad handles are ignored.
    pub fn tn_engine_inspector_destroy(inspector: tn_engine_inspector_t);
}
extern "C" {
    #[must_use]
    /** The description: target, inputs and outputs, profiles with their layers, weights, what can be refitted.

 @param inspector     The inspector.
 @param format        Text: one line per fact, in a fixed order. JSON: the same as one object.
 @param out_document  Receives the document in UTF-8.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY.*/
    pub fn tn_engine_inspector_get_information(
        inspector: tn_engine_inspector_t,
        format: tn_document_format,
        out_document: *mut tn_blob_t,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** A profile of the plan as an ONNX model to look at, which nothing runs: a node per layer in a domain of its own,
 with kernel, precision, formats and the model's nodes that it computes as attributes; with the build's report
 also tactic, configuration and time.

 @param inspector    The inspector.
 @param profile      Number of the profile.
 @param report       The report of the build that made the plan, JSON; borrowed for the call. May be NULL when
                     `report_size` is 0: none is there.
 @param report_size  Its size in bytes.
 @param out_model    Receives the model.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_RANGE, LIMIT_EXCEEDED, OUT_OF_MEMORY.*/
    pub fn tn_engine_inspector_serialize_to_onnx(
        inspector: tn_engine_inspector_t,
        profile: i32,
        report: *const ::std::os::raw::c_void,
        report_size: usize,
        out_model: *mut tn_blob_t,
    ) -> tn_error_t;
}
#[repr(C)]
#[derive(Debug)]
pub struct tn_refitter {
    _unused: [u8; 0],
}
/// Collects new weights.
pub type tn_refitter_t = *mut tn_refitter;
extern "C" {
    #[must_use]
    /** A refitter of an engine.

 @param engine        The engine, which the refitter keeps alive.
 @param out_refitter  Receives the refitter.
 @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.*/
    pub fn tn_refitter_create(
        engine: tn_engine_t,
        out_refitter: *mut tn_refitter_t,
    ) -> tn_error_t;
}
extern "C" {
    /// Destroys the handle; values that were not applied are dropped. NULL and bad handles are ignored.
    pub fn tn_refitter_destroy(refitter: tn_refitter_t);
}
extern "C" {
    #[must_use]
    /** Number of weights that can be named, pinned ones included.

 @param refitter   The refitter.
 @param out_count  Receives the number.
 @return Fails with INVALID_HANDLE.*/
    pub fn tn_refitter_get_weight_count(
        refitter: tn_refitter_t,
        out_count: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** The number of a weight by its name.

 @param refitter   The refitter.
 @param name       Name of the weight.
 @param out_index  Receives its number.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND.*/
    pub fn tn_refitter_find_weight(
        refitter: tn_refitter_t,
        name: *const ::std::os::raw::c_char,
        out_index: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Name of a weight.

 @param refitter  The refitter.
 @param index     Below the number of weights.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_refitter_get_weight_name(
        refitter: tn_refitter_t,
        index: usize,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Type of a weight's elements.

 @param refitter       The refitter.
 @param index          Below the number of weights.
 @param out_data_type  Receives the type.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_refitter_get_weight_data_type(
        refitter: tn_refitter_t,
        index: usize,
        out_data_type: *mut tn_data_type,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Dims of a weight.

 @param refitter   The refitter.
 @param index      Below the number of weights.
 @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 @param out_size   Receives the number of dims.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_RANGE.*/
    pub fn tn_refitter_get_weight_shape(
        refitter: tn_refitter_t,
        index: usize,
        dims: *mut i64,
        dims_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Why a weight takes only the value that it has; empty if it can be changed.

 @param refitter  The refitter.
 @param index     Below the number of weights.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE.*/
    pub fn tn_refitter_get_pin_reason(
        refitter: tn_refitter_t,
        index: usize,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets the new value of a weight, which is copied. Nothing happens to the engine yet.

 @param refitter   The refitter.
 @param name       Name of the weight.
 @param data_type  Must be the weight's.
 @param dims       Must be the weight's; may be NULL when `dims_size` is 0.
 @param dims_size  Their number.
 @param data       The elements, row-major; borrowed for the call. May be NULL when `data_size` is 0.
 @param data_size  Their size in bytes: exactly what type and dims say.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND, OUT_OF_MEMORY.*/
    pub fn tn_refitter_set_weight(
        refitter: tn_refitter_t,
        name: *const ::std::os::raw::c_char,
        data_type: tn_data_type,
        dims: *const i64,
        dims_size: usize,
        data: *const ::std::os::raw::c_void,
        data_size: usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Sets the new values of all weights that another network has under the same names, which the refitter keeps
 until it has applied them: nothing is copied. Weights that the network lacks are left out.

 @param refitter   The refitter.
 @param network    The network with the new weights.
 @param out_count  Receives the number of weights that were set. May be NULL.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT (a weight of another type or shape; nothing was set),
         OUT_OF_MEMORY.*/
    pub fn tn_refitter_set_weights_from_network(
        refitter: tn_refitter_t,
        network: tn_network_t,
        out_count: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Number of weights that must be set besides those that are, before the new values can be applied: weights
 that the plan has combined with one that was set.

 @param refitter   The refitter.
 @param out_count  Receives the number.
 @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.*/
    pub fn tn_refitter_get_missing_count(
        refitter: tn_refitter_t,
        out_count: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Name of a weight that must be set too.

 @param refitter  The refitter.
 @param index     Below the number of missing weights.
 @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
                  when `buf_size` is 0.
 @param buf_size  Bytes of `buf`.
 @param out_size  Receives the length of the whole text in bytes, without the terminator.
 @return Fails with INVALID_HANDLE, OUT_OF_RANGE, OUT_OF_MEMORY.*/
    pub fn tn_refitter_get_missing_name(
        refitter: tn_refitter_t,
        index: usize,
        buf: *mut ::std::os::raw::c_char,
        buf_size: usize,
        out_size: *mut usize,
    ) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Gives the engine the new values, all or none. They are then forgotten. After a failure the engine is as it
 was and the values are still set.

 @param refitter  The refitter.
 @return Fails with INVALID_HANDLE, INVALID_ARGUMENT (values are missing, or a pinned weight has another
         value; the message names all of them), OUT_OF_MEMORY, or whatever the allocator gave.*/
    pub fn tn_refitter_apply(refitter: tn_refitter_t) -> tn_error_t;
}
extern "C" {
    #[must_use]
    /** Number of objects that exist in this process. An object exists while it has a handle or something else
 needs it.

 @param type       Name of a handle's type without its prefix ("engine", "blob", "error", …); "internal" for
                   everything inside the library that is counted; "all" for everything.
 @param out_count  Receives the number.
 @return Fails with INVALID_ARGUMENT, NOT_FOUND (no such type).*/
    pub fn tn_debug_get_live_count(
        type_: *const ::std::os::raw::c_char,
        out_count: *mut i64,
    ) -> tn_error_t;
}
