//! A real OpenID Connect provider (`oidc-provider`, from npm): discovery, client credentials, introspection, rotation.
//!
//! `make oidc` installs its packages under `target/oidc`.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::client::{Client, Protocol};
use crate::support::config::Options;
use crate::support::message::{Request, Response};
use crate::support::upstream::Reply;

const CLIENT_SECRET: &str = "the secret of the tests' client";
/// Client id and secret, each in the form of a form's values, in base64 (RFC 6749 section 2.3.1).
const BASIC: &str = "Basic YXBwOnRoZSUyMHNlY3JldCUyMG9mJTIwdGhlJTIwdGVzdHMlMjclMjBjbGllbnQ=";

/// A running provider. It ends with the test.
struct Provider {
    process: Child,
    /// What it prints after its address, to nobody: it would end if it could not.
    _printed: BufReader<ChildStdout>,
    issuer: String,
}

impl Provider {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let packages = root.join("target/oidc");
        assert!(packages.join("node_modules").exists(), "no packages in {}: run `make oidc`", packages.display());
        let mut command = Command::new("node");
        command.arg(root.join("tests/oidc/provider.mjs")).env("OIDC_PACKAGES", packages);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node runs");
        let mut issuer = String::new();
        let mut printed = BufReader::new(process.stdout.take().expect("a pipe"));
        printed.read_line(&mut issuer).expect("the provider prints its address");
        Self { process, _printed: printed, issuer: issuer.trim().to_owned() }
    }

    fn address(&self) -> SocketAddr {
        self.issuer.strip_prefix("http://").expect("an address").parse().expect("an address")
    }

    fn post(&self, path: &str, form: &str) -> Response {
        let request = Request::new("POST", path).header("content-type", "application/x-www-form-urlencoded");
        let request = request.host(&self.address().to_string()).header("authorization", BASIC).body(form);
        Client::plain(self.address()).send(Protocol::Http1, &request)
    }

    /// A token by client credentials (RFC 6749 section 4.4), for a resource (RFC 8707).
    fn token(&self, resource: &str) -> String {
        let form =
            format!("grant_type=client_credentials&scope=physician&resource=https%3A%2F%2F{resource}.clinic.example");
        let answer = self.post("/token", &form).json();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ended = self.process.wait();
    }
}

fn stage(provider: &Provider) -> Stage {
    let claims = json!({ "roles": "/scope" });
    let policy: Value = json!({
        "version": 1,
        "name": "oidc",
        "authentication": {
            "smart": {
                "type": "jwt",
                "issuer": provider.issuer,
                "audiences": ["https://fhir.clinic.example"],
                "algorithms": ["ES256"],
                "typ": ["at+jwt"],
                "jwks": { "discovery": { "cluster": "idp", "min_interval": "1s" } },
                "claim_map": claims,
            },
            "opaque": {
                "type": "introspection",
                "cluster": "idp",
                "uri": format!("{}/token/introspection", provider.issuer),
                "client_id": "app",
                "client_secret": { "env": "CLIENT_SECRET" },
                "issuer": provider.issuer,
                "audiences": ["https://opaque.clinic.example"],
                "claim_map": claims,
            },
        },
        "routes": [{
            "name": "api",
            "match": { "paths": ["/api/**"] },
            "require_tls": false,
            "authenticate": { "any": ["smart", "opaque"] },
            "authorize": [{ "allow": { "roles": ["physician"] } }],
        }],
    });
    let clusters = vec![("idp".to_owned(), provider.address())];
    let options = Options { policy: policy.to_string(), clusters, ..Options::default() };
    Stage::with_secret(options, "CLIENT_SECRET", CLIENT_SECRET)
}

fn ask(stage: &Stage, token: &str) -> (u16, String) {
    stage.upstream.reply("/api/thing", Reply::json(&json!({ "ok": true })));
    let response = stage.envoy.plain().send(Protocol::Http1, &Request::get("/api/thing").bearer(token));
    (response.status, response.reason())
}

#[test]
fn tokens_of_a_real_provider_pass_before_and_after_it_rotates_its_keys() {
    let provider = Provider::start();
    let stage = stage(&provider);
    let first = provider.token("fhir");
    assert_eq!(ask(&stage, &first).0, 200, "{}", stage.envoy.log());
    assert_eq!(stage.received("/api/thing").all("x-carewarden-client"), ["app"]);
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(provider.post("/rotate", "").text(), "key-2");
    let second = provider.token("fhir");
    assert_eq!(ask(&stage, &second).0, 200, "{}", stage.envoy.log());
    assert_eq!(ask(&stage, &first).0, 200, "the key before is still published");
    thread::sleep(Duration::from_millis(1_100));
    provider.post("/rotate", "");
    assert_eq!(ask(&stage, &provider.token("fhir")).0, 200);
    assert_eq!(ask(&stage, &first), (401, "unknown_key".to_owned()));
}

#[test]
fn opaque_tokens_of_a_real_provider_pass() {
    let provider = Provider::start();
    let stage = stage(&provider);
    let token = provider.token("opaque");
    assert!(!token.contains('.'), "{token}");
    assert_eq!(ask(&stage, &token).0, 200, "{}", stage.envoy.log());
    assert_eq!(ask(&stage, "no-such-token"), (401, "token_inactive".to_owned()));
}
