//! Networks: what a plan is built from.
use crate::blob::Blob;
use crate::error::{text, Result};
use crate::types::{any_thread, c_text, dims_of, handle, made, value, DataType, DocumentFormat, IoMode};
use tenon_sys::*;

handle! {
    /// A network as its user defined it, made by a [`Builder`](crate::Builder).
    Network: tn_network_t, tn_network_destroy
}
any_thread!(Network);

impl Network {
    /// Its name; may be empty.
    pub fn name(&self) -> Result<String> {
        text(|buf, size, out| unsafe { tn_network_get_name(self.raw, buf, size, out) })
    }

    /// Number of inputs and outputs together. Inputs come first.
    pub fn tensor_count(&self) -> Result<usize> {
        value(|out| unsafe { tn_network_get_tensor_count(self.raw, out) })
    }

    /// The number of an input or output. Fails with `NotFound`; the message names what there is.
    pub fn find_tensor(&self, name: &str) -> Result<usize> {
        let name = c_text(name)?;
        value(|out| unsafe { tn_network_find_tensor(self.raw, name.as_ptr(), out) })
    }

    /// Name of an input or output.
    pub fn tensor_name(&self, index: usize) -> Result<String> {
        text(|buf, size, out| unsafe { tn_network_get_tensor_name(self.raw, index, buf, size, out) })
    }

    /// Whether it is an input or an output.
    pub fn tensor_mode(&self, index: usize) -> Result<IoMode> {
        value(|out| unsafe { tn_network_get_tensor_mode(self.raw, index, out) }).map(IoMode::from_raw)
    }

    /// Type of its elements; `None` for outputs whose type only a build finds out.
    pub fn tensor_data_type(&self, index: usize) -> Result<DataType> {
        value(|out| unsafe { tn_network_get_tensor_data_type(self.raw, index, out) }).map(DataType::from_raw)
    }

    /// Its dims; -1 for dynamic ones. Fails with `Unsupported` for an output whose shape only a build finds out.
    pub fn tensor_shape(&self, index: usize) -> Result<Vec<i64>> {
        dims_of(|dims, size, out| unsafe { tn_network_get_tensor_shape(self.raw, index, dims, size, out) })
    }

    /// Name of a dynamic dim: dims of one name are equal. Empty for dims that are not dynamic.
    pub fn tensor_dim_name(&self, index: usize, dim: usize) -> Result<String> {
        text(|buf, size, out| unsafe { tn_network_get_tensor_dim_name(self.raw, index, dim, buf, size, out) })
    }

    /// Number of the model's nodes.
    pub fn node_count(&self) -> Result<usize> {
        value(|out| unsafe { tn_network_get_node_count(self.raw, out) })
    }

    /// An ONNX model that computes the same; its weights are in it, so that it must not exceed 2 GB.
    pub fn to_onnx(&self) -> Result<Blob> {
        let none = std::ptr::null_mut();
        Ok(Blob { raw: made(|out| unsafe { tn_network_serialize_to_onnx(self.raw, std::ptr::null(), out, none) })? })
    }

    /// The same, and the bytes of the file of that name beside it, which holds its larger weights.
    pub fn to_onnx_with_weights(&self, location: &str) -> Result<(Blob, Blob)> {
        let location = c_text(location)?;
        let mut weights = std::ptr::null_mut();
        let model =
            made(|out| unsafe { tn_network_serialize_to_onnx(self.raw, location.as_ptr(), out, &mut weights) })?;
        Ok((Blob { raw: model }, Blob { raw: weights }))
    }

    /// A description.
    pub fn information(&self, format: DocumentFormat) -> Result<Blob> {
        Ok(Blob { raw: made(|out| unsafe { tn_network_get_information(self.raw, format.to_raw(), out) })? })
    }
}
