//! HTTP: heads over byte headers, paths, hosts, media types.

mod headers;

pub use headers::{Headers, Repeated};
