//! What the end-to-end tests, the demo and the benchmark stand on: a real Envoy, an upstream that does as it is told, and
//! clients that can misbehave.
//!
//! Everything is on loopback, on ports that the system picks, and ends with the process that started it.

pub mod client;
pub mod config;
pub mod envoy;
pub mod h1;
pub mod h2;
pub mod message;
pub mod tls;
pub mod token;
pub mod upstream;
pub mod vacant;
