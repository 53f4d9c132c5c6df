//! Carewarden: a policy filter for healthcare APIs behind Envoy and Istio.

pub mod access;
pub mod fhir;
pub mod http;
pub mod identity;
pub mod json;
pub mod policy;
