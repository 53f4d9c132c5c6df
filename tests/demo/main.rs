//! The demo: a real Envoy, with our module and the policy of `policies/clinic` in it, guards a small FHIR server.
//!
//! `make demo` plays a tour and ends with 0 when every step came out as it says; `make run` keeps everything up.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a demo may fail loudly, as tests do")]

#[path = "../support/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the end-to-end tests use the rest")]
mod support;

mod fhir;
mod paper;
mod tour;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, thread};

use crate::paper::{Paper, TITLE};
use crate::support::config::Shipped;
use crate::support::envoy::Envoy;
use crate::support::tls::Certificates;
use crate::support::token::{Signer, Token};
use crate::support::upstream::Upstream;
use crate::tour::{Credentials, Tour};

/// Secrets of this run; in production they come from a vault, by Envoy's environment.
const SECRETS: &[(&str, &str)] = &[
    ("AUDIT_KEY", "a demo's audit key, long enough to be one"),
    ("PHI_KEY", "a demo's hashing key, long enough to be one"),
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let keep = env::args().any(|argument| argument == "--keep");
    let paper = Paper::new();
    let port = |name: &str, otherwise: u16| env::var(name).map_or(Ok(otherwise), |port| port.parse::<u16>());
    let (listener, admin) = (port("PORT", 8443)?, port("ADMIN_PORT", 9901)?);

    let upstream = Upstream::serving(port("UPSTREAM_PORT", 8080)?, fhir::answer)?;
    let certificates = read_certificates(Path::new("envoy/certs"))?;
    let policy = with_keys_of_the_demo(&fs::read_to_string(POLICY)?)?;
    paper.line(TITLE, &format!("Starting Envoy on port {listener} with {POLICY} in it …"))?;
    let shipped = Shipped { policy: &policy, secrets: SECRETS, certificates, port: listener, admin_port: admin };
    let envoy = Envoy::shipped(&shipped, &upstream, |yaml| yaml);

    let credentials = Credentials::new();
    if keep {
        return stay(&paper, &envoy, &credentials, listener, admin);
    }
    let tour = Tour::new(paper, &envoy, &upstream, credentials);
    Ok(if tour.play()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const POLICY: &str = "policies/clinic/policy.json";

/// The policy as it stands, but for the key of its issuer: of the one written there nobody has the private half.
fn with_keys_of_the_demo(policy: &str) -> Result<String, Box<dyn Error>> {
    let mut policy: serde_json::Value = serde_json::from_str(policy)?;
    let key = policy.pointer_mut("/authentication/smart/jwks/inline/keys/0").ok_or("the policy has an issuer's key")?;
    *key = support::token::public_key();
    let keys = policy.pointer_mut("/authentication/partners/keys").and_then(|keys| keys.as_array_mut());
    for key in keys.ok_or("the policy has API keys")? {
        // A demo must work on any day.
        key.as_object_mut().ok_or("an API key is an object")?.remove("not_after");
    }
    Ok(serde_json::to_string_pretty(&policy)?)
}

fn read_certificates(directory: &Path) -> Result<Certificates, Box<dyn Error>> {
    let read = |name: &str| fs::read_to_string(directory.join(name));
    let (authority, server, server_key) = (read("ca.crt")?, read("server.crt")?, read("server.key")?);
    Ok(Certificates { authority, server, server_key, clients: Vec::new() })
}

/// Keeps everything up until the process is ended, and says what to try.
fn stay(
    paper: &Paper,
    envoy: &Envoy,
    credentials: &Credentials,
    port: u16,
    admin: u16,
) -> Result<ExitCode, Box<dyn Error>> {
    let base = format!("https://fhir.clinic.example:{port}");
    let curl = format!("curl --cacert envoy/certs/ca.crt --resolve fhir.clinic.example:{port}:127.0.0.1");
    let physician = Token::smart("dr-okafor", &[]).claim("exp", support::token::now() + 3_000);
    let physician = tour::with_roles(physician, &["physician"]).sign(Signer::Es256);
    paper.line(TITLE, "Up until Ctrl-C. Try:")?;
    for (what, credential) in [
        ("nobody", String::new()),
        ("billing, redacted", format!(" -H 'x-api-key: {}'", credentials.billing)),
        ("a physician, all of it", format!(" -H 'authorization: Bearer {physician}'")),
    ] {
        paper.line(paper::FAINT, &format!("# {what}"))?;
        paper.line(paper::GOOD, &format!("{curl} {base}/fhir/Patient/pat-1{credential}"))?;
    }
    paper.line(paper::FAINT, "# metrics")?;
    paper.line(paper::GOOD, &format!("curl -s localhost:{admin}/stats/prometheus | grep carewarden"))?;
    paper.line(paper::FAINT, &format!("# audit records: {}", envoy.output_path().display()))?;
    loop {
        thread::park();
    }
}
