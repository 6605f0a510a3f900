//! Refitters: new weights for an engine, without a new build.
use crate::engine::Engine;
use crate::error::{check, text, Result};
use crate::network::Network;
use crate::tensor::AsTensor;
use crate::types::{any_thread, c_text, dims_of, handle, made, value, DataType};
use tenon_sys::*;

handle! {
    /// Collects new weights; contexts may run meanwhile, each run with the old weights or the new.
    Refitter: tn_refitter_t, tn_refitter_destroy
}
any_thread!(Refitter);

impl Refitter {
    /// Of an engine, which it keeps alive.
    pub fn new(engine: &Engine) -> Result<Refitter> {
        Ok(Refitter { raw: made(|out| unsafe { tn_refitter_create(engine.raw(), out) })? })
    }

    /// Number of weights that can be named, pinned ones included.
    pub fn weight_count(&self) -> Result<usize> {
        value(|out| unsafe { tn_refitter_get_weight_count(self.raw, out) })
    }

    /// The number of a weight. Fails with `NotFound`.
    pub fn find_weight(&self, name: &str) -> Result<usize> {
        let name = c_text(name)?;
        value(|out| unsafe { tn_refitter_find_weight(self.raw, name.as_ptr(), out) })
    }

    /// Name of a weight.
    pub fn weight_name(&self, index: usize) -> Result<String> {
        text(|buf, size, out| unsafe { tn_refitter_get_weight_name(self.raw, index, buf, size, out) })
    }

    /// Type of a weight's elements.
    pub fn weight_data_type(&self, index: usize) -> Result<DataType> {
        value(|out| unsafe { tn_refitter_get_weight_data_type(self.raw, index, out) }).map(DataType::from_raw)
    }

    /// Dims of a weight.
    pub fn weight_shape(&self, index: usize) -> Result<Vec<i64>> {
        dims_of(|dims, size, out| unsafe { tn_refitter_get_weight_shape(self.raw, index, dims, size, out) })
    }

    /// Why a weight takes only the value that it has; empty if it can be changed.
    pub fn pin_reason(&self, index: usize) -> Result<String> {
        text(|buf, size, out| unsafe { tn_refitter_get_pin_reason(self.raw, index, buf, size, out) })
    }

    /// Sets the new value of a weight, which is copied. Type and shape must be the weight's.
    pub fn set_weight<A: AsTensor + ?Sized>(&self, name: &str, weight: &A) -> Result<()> {
        let (name, dims, bytes) = (c_text(name)?, weight.dims(), weight.bytes()?);
        check(unsafe {
            tn_refitter_set_weight(
                self.raw,
                name.as_ptr(),
                weight.data_type().to_raw(),
                dims.as_ptr(),
                dims.len(),
                bytes.as_ptr().cast(),
                bytes.len(),
            )
        })
    }

    /// Sets all weights that another network has under the same names; returns how many.
    pub fn set_weights_from_network(&self, network: &Network) -> Result<usize> {
        value(|out| unsafe { tn_refitter_set_weights_from_network(self.raw, network.raw, out) })
    }

    /// Names of the weights that must be set besides those that are.
    pub fn missing(&self) -> Result<Vec<String>> {
        let count: usize = value(|out| unsafe { tn_refitter_get_missing_count(self.raw, out) })?;
        (0..count)
            .map(|index| text(|buf, size, out| unsafe { tn_refitter_get_missing_name(self.raw, index, buf, size, out) }))
            .collect()
    }

    /// Gives the engine the new values, all or none. After a failure they are still set.
    pub fn apply(&self) -> Result<()> {
        check(unsafe { tn_refitter_apply(self.raw) })
    }
}
