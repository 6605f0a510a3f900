//! Allocators: where the large memory of engines comes from.
use crate::error::{callback_error, BoxError, Result};
use crate::types::{any_thread, handle, made};
use std::alloc::{alloc, dealloc, Layout};
use std::collections::HashMap;
use std::os::raw::c_void;
use std::ptr::NonNull;
use std::sync::Mutex;
use tenon_sys::*;

/// A piece of memory. The library uses it until it is given to [`Allocator::deallocate`].
#[derive(Debug)]
pub struct Memory {
    address: NonNull<u8>,
    layout: Option<Layout>,
}

unsafe impl Send for Memory {}

impl Memory {
    /// From the process's heap; `None` for lack of memory, or for an alignment that is no power of two. Dropping it frees it.
    pub fn heap(size: usize, alignment: usize) -> Option<Memory> {
        let layout = Layout::from_size_align(size.max(1), alignment).ok()?;
        let address = NonNull::new(unsafe { alloc(layout) })?;
        Some(Memory { address, layout: Some(layout) })
    }

    /// Memory of another source, which dropping does not free.
    ///
    /// # Safety
    /// It has the size and the alignment that was asked for, nobody else uses it, and it lives until it is given back.
    pub unsafe fn from_raw(address: NonNull<u8>) -> Memory {
        Memory { address, layout: None }
    }

    /// Its address.
    pub fn address(&self) -> NonNull<u8> {
        self.address
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(layout) = self.layout {
            unsafe { dealloc(self.address.as_ptr(), layout) }
        }
    }
}

/// A source of memory. Called on any thread, perhaps on several at once; must not call the library.
pub trait Allocator: Send + Sync + 'static {
    /// Gives `size` > 0 bytes at a multiple of `alignment`; `Ok(None)` is lack of memory. An error comes back from the call
    /// that needed the memory.
    fn allocate(&self, size: usize, alignment: usize) -> std::result::Result<Option<Memory>, BoxError>;

    /// Takes memory back, with the numbers it was asked for.
    fn deallocate(&self, memory: Memory, size: usize, alignment: usize) {
        let _ = (memory, size, alignment);
    }
}

struct Raw<A> {
    allocator: A,
    given: Mutex<HashMap<usize, Memory>>,
}

impl<A: Allocator> Raw<A> {
    fn given(&self) -> std::sync::MutexGuard<'_, HashMap<usize, Memory>> {
        self.given.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<A: Allocator> AllocatorCallbacks for Raw<A> {
    fn allocate(&self, size: usize, alignment: usize) -> std::result::Result<*mut c_void, CallbackError> {
        let Some(memory) = self.allocator.allocate(size, alignment).map_err(callback_error)? else {
            return Ok(std::ptr::null_mut());
        };
        if memory.layout.map_or(false, |layout| layout.size() < size || layout.align() < alignment) {
            let wrong = format!("an allocator was asked for {size} bytes at a multiple of {alignment} and gave less");
            return Err(callback_error(Box::new(crate::Error::argument(wrong))));
        }
        let address = memory.address.as_ptr();
        self.given().insert(address as usize, memory);
        Ok(address.cast())
    }

    fn deallocate(&self, address: *mut c_void, size: usize, alignment: usize) {
        let memory = self.given().remove(&(address as usize));
        if let Some(memory) = memory {
            self.allocator.deallocate(memory, size, alignment);
        }
    }
}

handle! {
    /// An [`Allocator`] for runtimes.
    AllocatorHandle: tn_allocator_t, tn_allocator_destroy
}
any_thread!(AllocatorHandle);

impl AllocatorHandle {
    /// The allocator lives until the last engine that has memory of it is gone.
    pub fn new(allocator: impl Allocator) -> Result<AllocatorHandle> {
        let table = tn_allocator_callbacks_of(Box::new(Raw { allocator, given: Mutex::default() }));
        Ok(AllocatorHandle { raw: made(|out| unsafe { tn_allocator_create(&table, out) })? })
    }
}
