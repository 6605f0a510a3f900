//! ONNX models that have been read but not imported.
use crate::blob::Blob;
use crate::builder::Builder;
use crate::error::{check, Result};
use crate::network::Network;
use crate::types::{any_thread, c_text, handle, made, DataType, DocumentFormat};
use tenon_sys::*;

handle! {
    /// An ONNX model: it may be asked what of it is supported, and given weights.
    OnnxModel: tn_onnx_model_t, tn_onnx_model_destroy
}
any_thread!(OnnxModel);

/// What of a model or an operator is supported.
#[derive(Debug)]
pub struct Capability {
    /// Whether all of it is.
    pub supported: bool,
    /// What there is to say.
    pub document: Blob,
}

/// Of an operator in an op set, without a model.
pub fn onnx_operator_capability(domain: &str, op_type: &str, version: i64, format: DocumentFormat) -> Result<Capability> {
    let (domain, op_type) = (c_text(domain)?, c_text(op_type)?);
    let mut supported = 0;
    let raw = made(|out| unsafe {
        tn_onnx_operator_get_capability(domain.as_ptr(), op_type.as_ptr(), version, format.to_raw(), &mut supported, out)
    })?;
    Ok(Capability { supported: supported != 0, document: Blob { raw } })
}

impl OnnxModel {
    /// From a file, which is mapped and must not change until the model, and what is made of it, is dropped.
    pub fn from_file(builder: &Builder, path: &str) -> Result<OnnxModel> {
        let path = c_text(path)?;
        Ok(OnnxModel {
            raw: made(|out| unsafe { tn_onnx_model_create_from_file(builder.raw, path.as_ptr(), out) })?,
        })
    }

    /// From a blob, which the model keeps: nothing is copied. External data must be given.
    pub fn from_blob(builder: &Builder, model: &Blob) -> Result<OnnxModel> {
        Ok(OnnxModel { raw: made(|out| unsafe { tn_onnx_model_create_from_blob(builder.raw, model.raw, out) })? })
    }

    /// A weight in place of the model's: an initialiser's, an input's, or of a name that nothing makes. The elements lie in
    /// `data` from the byte `offset` on, as in ONNX's raw_data; networks that are made from then on keep the blob.
    pub fn set_initializer(&self, name: &str, data_type: DataType, dims: &[i64], data: &Blob, offset: usize) -> Result<()> {
        let name = c_text(name)?;
        check(unsafe {
            tn_onnx_model_set_initializer(
                self.raw,
                data.raw,
                name.as_ptr(),
                data_type.to_raw(),
                dims.as_ptr(),
                dims.len(),
                offset,
            )
        })
    }

    /// Of each node whether and how it is supported, and all that is wrong.
    pub fn capability(&self, format: DocumentFormat) -> Result<Capability> {
        let mut supported = 0;
        let raw =
            made(|out| unsafe { tn_onnx_model_get_capability(self.raw, format.to_raw(), &mut supported, out) })?;
        Ok(Capability { supported: supported != 0, document: Blob { raw } })
    }

    /// The network that the model is, with the weights that were given.
    pub fn network(&self) -> Result<Network> {
        Ok(Network { raw: made(|out| unsafe { tn_network_create_from_onnx_model(self.raw, out) })? })
    }
}
