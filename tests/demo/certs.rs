//! Makes a development certificate authority and what it signs, for `envoy/envoy.yaml` and the stack: `make certs`.

use std::error::Error;
use std::fs;
use std::path::Path;

#[path = "../support/tls.rs"]
#[expect(dead_code, clippy::expect_used, unreachable_pub, reason = "the clients' half is for the tests")]
mod tls;

use tls::{Authority, ClientName};

/// What a developer's client may call the server.
const NAMES: &[&str] = &["localhost", "127.0.0.1", "::1", "fhir.clinic.example"];
/// What the stack's identity provider is called.
const IDP_NAMES: &[&str] = &["localhost", "127.0.0.1", "::1", "idp.clinic.example"];
/// A client that the stack's policy knows by its certificate.
const DEVICE: &str = "spiffe://clinic.example/device/monitor-7";

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("usage: certs DIRECTORY")?;
    let directory = Path::new(&directory);
    fs::create_dir_all(directory)?;
    let authority = Authority::generate()?;
    fs::write(directory.join("ca.crt"), &authority.certificate)?;
    let signed = [
        ("idp", authority.server(IDP_NAMES)?),
        ("device", authority.client(&ClientName::uri(DEVICE))?),
        // Last, since it says that all are there.
        ("server", authority.server(NAMES)?),
    ];
    for (name, identity) in signed {
        fs::write(directory.join(format!("{name}.key")), &identity.key)?;
        fs::write(directory.join(format!("{name}.crt")), &identity.certificate)?;
    }
    Ok(())
}
