//! What a callback leaves behind in an error: a Rust value under an address of its own. Addresses that others have put into
//! errors are no slots, and are never followed.
use crate::*;
use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Mutex;

/// Why a callback failed. The outer call fails with this code, this message and, if there is one, this payload.
pub struct CallbackError {
    pub code: tn_error_code,
    pub message: String,
    pub payload: Option<Box<dyn Any + Send>>,
}

/// What an error of a callback carries.
pub enum Payload {
    /// [`CallbackError::payload`].
    Error(Box<dyn Any + Send>),
    /// What a callback panicked with: for `std::panic::resume_unwind`.
    Panic(Box<dyn Any + Send>),
}

static SLOTS: Mutex<BTreeMap<usize, Payload>> = Mutex::new(BTreeMap::new());

fn slots() -> std::sync::MutexGuard<'static, BTreeMap<usize, Payload>> {
    SLOTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Takes what a callback in Rust left in a live error; None if there is nothing, or if it has been taken.
///
/// # Safety
/// None is needed: the library checks the handle. It is unsafe as all of this crate's functions are.
pub unsafe fn take_payload(error: tn_error_t) -> Option<Payload> {
    let address = tn_error_get_payload(error) as usize;
    slots().remove(&address)
}

unsafe extern "C" fn drop_slot(address: *mut c_void) {
    let payload = slots().remove(&(address as usize));
    let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
    drop(Box::from_raw(address as *mut u8));
}

fn error_of(code: tn_error_code, message: &str, payload: Option<Payload>) -> tn_error_t {
    let text = CString::new(message.replace('\0', " ")).unwrap_or_default();
    let address = payload.map_or(std::ptr::null_mut(), |payload| {
        let address = Box::into_raw(Box::new(0u8)) as *mut c_void;
        slots().insert(address as usize, payload);
        address
    });
    let release: Option<unsafe extern "C" fn(*mut c_void)> = if address.is_null() { None } else { Some(drop_slot) };
    unsafe { tn_error_create(code, text.as_ptr(), address, release) }
}

pub(crate) fn fallible(call: impl FnOnce() -> Result<(), CallbackError>) -> tn_error_t {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => std::ptr::null_mut(),
        Ok(Err(error)) => error_of(error.code, &error.message, error.payload.map(Payload::Error)),
        Err(panic) => {
            let message = panic.downcast_ref::<&str>().map(|text| text.to_string());
            let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
            error_of(TN_ERROR_CALLBACK, &message.unwrap_or_else(|| "a callback panicked".into()), Some(Payload::Panic(panic)))
        }
    }
}

/// A panic has said itself what it had to say: the hook has run, and there is nobody to hand it to.
pub(crate) fn infallible(call: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(call));
}

pub(crate) unsafe extern "C" fn release<T>(user_data: *mut c_void) {
    infallible(|| drop(Box::from_raw(user_data as *mut T)));
}

pub(crate) unsafe fn text<'a>(text: *const c_char) -> Cow<'a, str> {
    if text.is_null() {
        return Cow::Borrowed("");
    }
    CStr::from_ptr(text).to_string_lossy()
}

pub(crate) unsafe fn sized_text<'a>(text: *const c_char, size: usize) -> Cow<'a, str> {
    if text.is_null() {
        return Cow::Borrowed("");
    }
    String::from_utf8_lossy(std::slice::from_raw_parts(text as *const u8, size))
}
