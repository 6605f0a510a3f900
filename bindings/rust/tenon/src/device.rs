//! Devices: what plans are built for and run on.
use crate::error::{text, Result};
use crate::types::{any_thread, c_text, handle, made, value, DeviceType};
use tenon_sys::*;

handle! {
    /// A device of this machine.
    Device: tn_device_t, tn_device_destroy
}
any_thread!(Device);

impl Device {
    /// By name: `"cpu"`, `"cuda"`, `"cuda:1"`. Fails with `Unsupported` (known, but not on this machine) or `NotFound`.
    pub fn new(name: &str) -> Result<Device> {
        let name = c_text(name)?;
        Ok(Device { raw: made(|out| unsafe { tn_device_create(name.as_ptr(), out) })? })
    }

    /// Names of the devices that can be used.
    pub fn names() -> Result<Vec<String>> {
        (0..unsafe { tn_device_count() })
            .map(|index| text(|buf, size, out| unsafe { tn_device_at(index, buf, size, out) }))
            .collect()
    }

    /// Its kind.
    pub fn device_type(&self) -> Result<DeviceType> {
        value(|out| unsafe { tn_device_get_type(self.raw, out) }).map(DeviceType::from_raw)
    }

    /// Its name.
    pub fn name(&self) -> Result<String> {
        text(|buf, size, out| unsafe { tn_device_get_name(self.raw, buf, size, out) })
    }

    /// What it can do, as a list with commas.
    pub fn features(&self) -> Result<String> {
        text(|buf, size, out| unsafe { tn_device_get_features(self.raw, buf, size, out) })
    }

    /// Threads that this process may run at once on a CPU; 0 for devices that have no such limit.
    pub fn thread_count(&self) -> Result<i32> {
        value(|out| unsafe { tn_device_get_thread_count(self.raw, out) })
    }
}
