//! Blobs: immutable bytes that the library gives out or takes in without a copy.
use crate::error::{check, Result};
use crate::types::{any_thread, c_text, handle, made};
use std::ops::Deref;
use std::os::raw::c_void;
use tenon_sys::*;

handle! {
    /// Immutable bytes: plans, caches, documents, models. Dereferences to the bytes.
    Blob: tn_blob_t, tn_blob_destroy
}
any_thread!(Blob);

unsafe extern "C" fn drop_box(user_data: *mut c_void) {
    drop(Box::from_raw(user_data as *mut Vec<u8>));
}

impl Blob {
    /// A copy of the bytes.
    pub fn copy(bytes: &[u8]) -> Result<Blob> {
        Ok(Blob { raw: made(|out| unsafe { tn_blob_create(bytes.as_ptr().cast(), bytes.len(), out) })? })
    }

    /// The bytes themselves, which are freed when nothing needs them any more.
    pub fn from_vec(bytes: Vec<u8>) -> Result<Blob> {
        let (data, size) = (bytes.as_ptr().cast(), bytes.len());
        let owner = Box::into_raw(Box::new(bytes)).cast();
        Ok(Blob { raw: made(|out| unsafe { tn_blob_create_take(data, size, owner, Some(drop_box), out) })? })
    }

    /// The contents of a file. Fails with `Io`.
    pub fn from_file(path: &str) -> Result<Blob> {
        let path = c_text(path)?;
        Ok(Blob { raw: made(|out| unsafe { tn_blob_create_from_file(path.as_ptr(), out) })? })
    }

    /// A second owner of the same bytes.
    pub fn share(&self) -> Result<Blob> {
        Ok(Blob { raw: made(|out| unsafe { tn_blob_create_shared(self.raw, out) })? })
    }

    /// Writes the bytes to a file: whole, or not at all. Fails with `Io`.
    pub fn save(&self, path: &str) -> Result<()> {
        let path = c_text(path)?;
        check(unsafe { tn_blob_save(self.raw, path.as_ptr()) })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        let (mut data, mut size) = (std::ptr::null(), 0);
        match check(unsafe { tn_blob_get_data(self.raw, &mut data, &mut size) }) {
            Ok(()) if size > 0 => unsafe { std::slice::from_raw_parts(data.cast(), size) },
            _ => &[], // the handle is this object's, so there can be no failure
        }
    }

    /// The bytes as text; `None` if they are no UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes()).ok()
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}
