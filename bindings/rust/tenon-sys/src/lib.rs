//! Tenon's C functions, one to one: see the headers in `include/tenon`. The crate `tenon` is the safe layer above.
//!
//! `bindings.rs` is bindgen's; `constants.rs` and `callbacks.rs` are written from `capi/api.json` (`make bindings`).
#![allow(non_camel_case_types)]

#[allow(clippy::all)]
#[rustfmt::skip]
mod bindings;
#[rustfmt::skip]
mod callbacks;
#[rustfmt::skip]
mod constants;
mod slots;

pub use bindings::*;
pub use callbacks::*;
pub use constants::*;
pub use slots::{take_payload, CallbackError, Payload};
