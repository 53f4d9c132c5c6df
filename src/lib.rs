//! Carewarden: a policy filter for healthcare APIs behind Envoy and Istio.

pub mod access;
pub mod audit;
#[cfg(not(target_family = "wasm"))]
pub mod cli;
pub mod exchange;
pub mod fhir;
pub mod http;
pub mod identity;
pub mod json;
pub mod metrics;
pub mod policy;
#[cfg(target_os = "wasi")]
mod proxy;
pub mod redact;
