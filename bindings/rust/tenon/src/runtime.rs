//! Runtimes: what engines are loaded with.
use crate::allocator::AllocatorHandle;
use crate::error::{check, Result};
use crate::logger::Logger;
use crate::types::{any_thread, handle, made, value, Limit};
use std::ptr::null_mut;
use tenon_sys::*;

handle! {
    /// Settings of engines that are made afterwards.
    Runtime: tn_runtime_t, tn_runtime_destroy
}
any_thread!(Runtime);

impl Runtime {
    /// Without a logger, with the process's heap, the plan's thread count and the library's limits.
    pub fn new() -> Result<Runtime> {
        Ok(Runtime { raw: made(|out| unsafe { tn_runtime_create(out) })? })
    }

    /// Sets where the messages of engines go; `None`: nowhere.
    pub fn set_logger(&self, logger: Option<&Logger>) -> Result<()> {
        check(unsafe { tn_runtime_set_logger(self.raw, logger.map_or(null_mut(), |logger| logger.raw)) })
    }

    /// Sets where the memory of engines comes from; `None`: the process's heap.
    pub fn set_allocator(&self, allocator: Option<&AllocatorHandle>) -> Result<()> {
        check(unsafe { tn_runtime_set_allocator(self.raw, allocator.map_or(null_mut(), |allocator| allocator.raw)) })
    }

    /// Sets the number of threads that work for one engine: 1 … 1024, or 0 for what the plan was tuned for.
    pub fn set_thread_count(&self, count: i32) -> Result<()> {
        check(unsafe { tn_runtime_set_thread_count(self.raw, count) })
    }

    /// The number of threads that was set.
    pub fn thread_count(&self) -> Result<i32> {
        value(|out| unsafe { tn_runtime_get_thread_count(self.raw, out) })
    }

    /// Sets a limit for plans that are loaded.
    pub fn set_limit(&self, limit: Limit, value: i64) -> Result<()> {
        check(unsafe { tn_runtime_set_limit(self.raw, limit.to_raw(), value) })
    }

    /// A limit.
    pub fn limit(&self, limit: Limit) -> Result<i64> {
        value(|out| unsafe { tn_runtime_get_limit(self.raw, limit.to_raw(), out) })
    }
}
