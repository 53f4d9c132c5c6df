//! Makes a development certificate authority and a server certificate for `envoy/envoy.yaml`: `make certs`.

use std::error::Error;
use std::path::Path;

#[path = "../support/tls.rs"]
#[expect(dead_code, clippy::expect_used, unreachable_pub, reason = "the clients' half is for the tests")]
mod tls;

/// What a developer's client may call the server.
const NAMES: &[&str] = &["localhost", "127.0.0.1", "::1", "fhir.clinic.example"];

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("usage: certs DIRECTORY")?;
    Ok(tls::Certificates::generate(NAMES)?.write(Path::new(&directory))?)
}
