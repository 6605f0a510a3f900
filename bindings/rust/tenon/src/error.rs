//! Errors: what every call that can fail gives back.
use crate::types::c_enum;
use std::error::Error as StdError;
use std::ffi::CStr;
use std::fmt;
use std::os::raw::c_char;
use tenon_sys::*;

c_enum! {
    /// What kind of failure it was.
    ErrorCode: tn_error_code {
        /// An argument that the function does not allow.
        InvalidArgument = TN_ERROR_INVALID_ARGUMENT,
        /// An object that is not there, or is of another type.
        InvalidHandle = TN_ERROR_INVALID_HANDLE,
        /// Lack of memory.
        OutOfMemory = TN_ERROR_OUT_OF_MEMORY,
        /// The ONNX model is damaged or contradicts itself.
        InvalidModel = TN_ERROR_INVALID_MODEL,
        /// Understood, but this library cannot do it.
        Unsupported = TN_ERROR_UNSUPPORTED,
        /// The bytes are not a plan, or a damaged one.
        InvalidPlan = TN_ERROR_INVALID_PLAN,
        /// For another machine or library; the message says which.
        IncompatiblePlan = TN_ERROR_INCOMPATIBLE_PLAN,
        /// An index, or a shape outside the profile.
        OutOfRange = TN_ERROR_OUT_OF_RANGE,
        /// Another thread is using an object that takes one caller at a time.
        Busy = TN_ERROR_BUSY,
        /// No such name.
        NotFound = TN_ERROR_NOT_FOUND,
        /// A file could not be read or written.
        Io = TN_ERROR_IO,
        /// A progress callback asked for it.
        Cancelled = TN_ERROR_CANCELLED,
        /// See [`Limit`](crate::Limit).
        LimitExceeded = TN_ERROR_LIMIT_EXCEEDED,
        /// The device failed or is not there.
        Device = TN_ERROR_DEVICE,
        /// A defect of the library: please report it.
        Internal = TN_ERROR_INTERNAL,
        /// A callback of the caller failed.
        Callback = TN_ERROR_CALLBACK,
    }
}

impl ErrorCode {
    /// `"INVALID_ARGUMENT"`; `"?"` for a code that the library does not know.
    pub fn name(self) -> &'static str {
        static_text(unsafe { tn_error_code_get_name(self.to_raw()) })
    }
}

/// What a callback of the user's fails with: any error.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The result of a call that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What a call failed with: a code for programs, and a message that says what was wrong, with which object, what was
/// expected and what to do.
///
/// An error of the user's that a callback failed with arrives as itself: see [`Error::downcast`]. A callback that panics
/// makes the outer call panic, with the same value.
pub struct Error {
    code: ErrorCode,
    message: String,
    source: Option<BoxError>,
}

impl Error {
    /// An error, for a callback to fail with.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), source: None }
    }

    /// What kind of failure it was.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What was wrong and what to do: the first line of the whole text, which `Display` prints.
    pub fn message(&self) -> &str {
        self.message.lines().next().unwrap_or("")
    }

    /// Where it was: what the library was doing, from the inside out.
    pub fn trail(&self) -> impl Iterator<Item = &str> {
        self.message.lines().skip(1)
    }

    /// The user's own error, if a callback failed with one of this type.
    pub fn downcast<E: StdError + 'static>(self) -> std::result::Result<E, Error> {
        let Error { code, message, source } = self;
        match source {
            Some(source) => match source.downcast::<E>() {
                Ok(own) => Ok(*own),
                Err(source) => Err(Error { code, message, source: Some(source) }),
            },
            None => Err(Error { code, message, source: None }),
        }
    }

    /// As [`Error::downcast`], without taking it out.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.source.as_ref()?.downcast_ref::<E>()
    }

    pub(crate) fn argument(message: impl Into<String>) -> Error {
        Error::new(ErrorCode::InvalidArgument, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// What a C function returned, as a result. A panic of a callback goes on here.
#[inline]
pub(crate) fn check(error: tn_error_t) -> Result<()> {
    if error.is_null() {
        return Ok(());
    }
    Err(failure(error))
}

#[cold]
fn failure(error: tn_error_t) -> Error {
    let code = ErrorCode::from_raw(unsafe { tn_error_get_code(error) });
    let message = text_of(|buf, size, out| unsafe { tn_error_get_message(error, buf, size, out) });
    let payload = unsafe { take_payload(error) };
    unsafe { tn_error_destroy(error) };
    match payload {
        Some(Payload::Panic(panic)) => std::panic::resume_unwind(panic),
        Some(Payload::Error(own)) => match own.downcast::<BoxError>() {
            Ok(own) => match own.downcast::<Error>() {
                Ok(error) => *error,
                Err(source) => Error { code, message, source: Some(source) },
            },
            Err(_) => Error { code, message, source: None },
        },
        None => Error { code, message, source: None },
    }
}

/// How a callback's own error goes through the library.
pub(crate) fn callback_error(error: BoxError) -> CallbackError {
    let code = match error.downcast_ref::<Error>().map(|error| error.code) {
        None | Some(ErrorCode::Other(_)) => TN_ERROR_CALLBACK,
        Some(code) => code.to_raw(),
    };
    CallbackError { code, message: error.to_string(), payload: Some(Box::new(error)) }
}

fn text_of(get: impl Fn(*mut c_char, usize, *mut usize)) -> String {
    let mut buffer = vec![0u8; 256];
    let mut size = 0;
    get(buffer.as_mut_ptr().cast(), buffer.len(), &mut size);
    if size >= buffer.len() {
        buffer.resize(size + 1, 0);
        get(buffer.as_mut_ptr().cast(), buffer.len(), &mut size);
    }
    buffer.truncate(size.min(buffer.len() - 1));
    String::from_utf8_lossy(&buffer).into_owned()
}

/// The text of a getter.
pub(crate) fn text(get: impl Fn(*mut c_char, usize, *mut usize) -> tn_error_t) -> Result<String> {
    let mut failed = Ok(());
    let cell = std::cell::RefCell::new(&mut failed);
    let text = text_of(|buf, size, out| {
        let done = check(get(buf, size, out));
        if done.is_err() {
            **cell.borrow_mut() = done;
        }
    });
    failed.map(|()| text)
}

pub(crate) fn static_text(text: *const c_char) -> &'static str {
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("?")
}
