//! The stack of `make up`: a token of its identity provider over verified TLS, reads that are redacted, writes, devices with
//! certificates, what Prometheus saw, floods.

use std::error::Error;
use std::io::BufReader;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use crate::support::client::{Client, Protocol};
use crate::support::h1;
use crate::support::message::{End, Request, Response};
use crate::support::tls::{Authority, ClientName, Identity};
use crate::target::{Target, port};
use crate::trial::Trial;

/// How long the stack may take to stand: HAPI FHIR and Keycloak take their time.
const START: Duration = Duration::from_secs(300);
const BILLING: &str = "billing-test-key";
const PATIENT: &str = "/fhir/Patient/smoke-1";

/// Waits until each part answers.
pub(crate) fn wait(target: &Target) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let ready = || {
        let provider = std::panic::catch_unwind(|| discovery().is_some()).unwrap_or(false);
        let capabilities = Request::get("/fhir/metadata").host(&target.host);
        let client = target.client();
        let served = std::panic::catch_unwind(|| client.send(Protocol::Http1, &capabilities).status == 200);
        provider && served.unwrap_or(false)
    };
    // A client that reaches nobody panics, which is no news here.
    std::panic::set_hook(Box::new(|_| ()));
    while !ready() {
        if start.elapsed() > START {
            return Err("the stack does not answer: see `make logs`, or start it by `make up`".into());
        }
        thread::sleep(Duration::from_millis(500));
    }
    drop(std::panic::take_hook());
    Ok(())
}

pub(crate) fn attempt(trial: &mut Trial<'_>) -> Result<(), Box<dyn Error>> {
    let physician = token("ward")?;
    people(trial, &physician)?;
    devices(trial)?;
    trail(trial)?;
    metrics(trial)?;
    floods(trial, &physician)
}

fn people(trial: &mut Trial<'_>, physician: &str) -> Result<(), Box<dyn Error>> {
    trial.chapter("People, with tokens of the identity provider")?;
    let patient = json!({
        "resourceType": "Patient", "id": "smoke-1", "active": true, "gender": "female", "birthDate": "1984-02-29",
        "name": [{ "family": "Smoketest-Haddad", "given": ["Amira"] }],
        "telecom": [{ "system": "phone", "value": "217-555-0142" }],
        "identifier": [{ "system": "urn:clinic:mrn", "value": "MRN-004711" }],
        "address": [{ "line": ["14 Elm Street"], "city": "Springfield", "state": "IL" }],
    });
    let write = Request::new("PUT", PATIENT).header("content-type", "application/fhir+json").body(patient.to_string());
    trial.request("a physician writes a patient", &write.clone().bearer(physician), &[200, 201], None)?;
    let read = trial.request("… and sees all of it", &Request::get(PATIENT).bearer(physician), &[200], None)?;
    trial.check("the name is there", read.text().contains("Smoketest-Haddad"), &read.text())?;

    let billing = trial.request("billing reads it", &Request::get(PATIENT).key(BILLING), &[200], None)?;
    let text = billing.text();
    let hidden = ["Smoketest-Haddad", "Amira", "555-0142", "MRN-004711", "Elm Street"];
    trial.check("… without name, contact, number and street", !hidden.iter().any(|word| text.contains(word)), &text)?;
    let kept = ["smoke-1", "Springfield", "REDACTED"];
    trial.check("… and with the rest, marked as redacted", kept.iter().all(|word| text.contains(word)), &text)?;

    let nurse = token("desk")?;
    trial.request("a nurse reads it", &Request::get(PATIENT).bearer(&nurse), &[200], None)?;
    trial.request("… and does not write it", &write.bearer(&nurse), &[403], Some("no_rule_allows"))?;
    let [head, payload, signature] = &physician.splitn(3, '.').collect::<Vec<_>>()[..] else {
        return Err("the provider's token has no three parts".into());
    };
    let [_, other, _] = &nurse.splitn(3, '.').collect::<Vec<_>>()[..] else {
        return Err("the provider's token has no three parts".into());
    };
    let mixed = format!("{head}.{other}.{signature}");
    trial.request("one's claims under another's signature", &Request::get(PATIENT).bearer(&mixed), &[401], None)?;
    let cut = format!("{head}.{payload}.");
    trial.request("a token whose signature was cut off", &Request::get(PATIENT).bearer(&cut), &[401], None)?;
    Ok(())
}

fn devices(trial: &mut Trial<'_>) -> Result<(), Box<dyn Error>> {
    trial.chapter("Devices, with certificates")?;
    let read = |name: &str| fs::read_to_string(format!("envoy/certs/{name}"));
    let device = Identity { certificate: read("device.crt")?, key: read("device.key")? };
    let finding = json!({ "resourceType": "Observation", "status": "final", "code": { "text": "heart rate" } });
    let add = Request::post("/fhir/Observation", finding.to_string()).host(&trial.target.host);
    trial.request("a finding without a certificate", &add, &[401], Some("missing_credentials"))?;
    let answer = trial.client.clone().with_identity(&device).send(Protocol::Http2, &add);
    trial.check("the monitor adds a finding", answer.status == 201, &format!("{answer:?}"))?;
    let stranger = Authority::generate()?.client(&ClientName::uri("spiffe://clinic.example/device/monitor-7"))?;
    let answer = trial.client.clone().with_identity(&stranger).send(Protocol::Http1, &add);
    let claim = "a certificate that somebody wrote for themselves ends the connection";
    trial.check(claim, answer.status == 0 && answer.end == End::Cut, &format!("{answer:?}"))?;
    Ok(())
}

/// The events of what was done above, as the auditor finds them in the repository.
fn trail(trial: &mut Trial<'_>) -> Result<(), Box<dyn Error>> {
    trial.chapter("The audit trail")?;
    let auditor = token("trail")?;
    let search = Request::get("/fhir/AuditEvent?_count=500&_sort=-date").host(&trial.target.host).bearer(&auditor);
    for (claim, words) in [
        ("a patient's update is told, by whom and about whom", ["IHE.BasicAudit.PatientUpdate", "Patient/smoke-1"]),
        ("… and its read", ["IHE.BasicAudit.PatientRead", "billing-co"]),
        ("… and what was refused, with its reason", ["110113", "no_rule_allows"]),
    ] {
        let is_told = |event: &Value| {
            let text = event.to_string();
            words.iter().all(|word| text.contains(word))
        };
        let ask = || trial.client.send(Protocol::Http2, &search);
        let found = within(Duration::from_secs(30), ask, |answer| entries(answer).iter().any(is_told));
        trial.check(claim, found.is_ok(), &found.err().unwrap_or_default())?;
    }
    let by_nurse = Request::get("/fhir/AuditEvent?_count=500").bearer(&token("desk")?);
    trial.request("a nurse does not read it", &by_nurse, &[403], Some("no_rule_allows"))?;
    Ok(())
}

/// The resources of a searchset.
fn entries(answer: &Response) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let entries = body["entry"].as_array().cloned().unwrap_or_default();
    entries.into_iter().map(|entry| entry["resource"].clone()).collect()
}

fn metrics(trial: &mut Trial<'_>) -> Result<(), Box<dyn Error>> {
    trial.chapter("Prometheus")?;
    let client = Client::plain(SocketAddr::from(([127, 0, 0, 1], port("PROMETHEUS_PORT", 9090)?)));
    let ask = |query: &str| {
        let request = Request::get(&format!("/api/v1/query?query={query}")).host("localhost");
        client.send(Protocol::Http1, &request)
    };
    for (claim, query) in [
        ("Envoy is scraped", "up{job=\"envoy\"}==1"),
        ("decisions are counted by route and reason", "carewarden_requests{route=\"fhir\",reason=\"missing_credentials\"}"),
        ("the age of the provider's keys is known", "carewarden_jwks_age_seconds{provider=\"smart\"}"),
    ] {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let found = within(Duration::from_secs(60), || ask(&escaped), |answer| !results(answer).is_empty());
        trial.check(claim, found.is_ok(), &found.err().unwrap_or_default())?;
    }
    Ok(())
}

fn results(answer: &Response) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["data"]["result"].as_array().cloned().unwrap_or_default()
}

fn floods(trial: &mut Trial<'_>, physician: &str) -> Result<(), Box<dyn Error>> {
    trial.chapter("Floods")?;
    let read = Request::get(PATIENT).host(&trial.target.host);
    let refused = flood(trial, 400, &read.clone().key(BILLING));
    let shown = format!("{refused:?}");
    trial.check("a client that asks too fast gets 429", refused.status == 429, &shown)?;
    let told = refused.all("retry-after") == ["1"] && refused.all("x-ratelimit-remaining") == ["0"];
    trial.check("… which says when to come back", told && refused.all("x-ratelimit-limit").len() == 1, &shown)?;
    trial.request("… and leaves another alone", &read.bearer(physician), &[200], None)?;
    let refused = flood(trial, 2_000, &Request::get(PATIENT).host(&trial.target.host));
    let told = refused.status == 429 && refused.all("retry-after") == ["1"];
    trial.check("an address whose requests are all refused with 401 gets 429 as well", told, &format!("{refused:?}"))?;
    // Its bucket fills again by 200 a second.
    let again = || trial.client.send(Protocol::Http1, &Request::get(PATIENT).host(&trial.target.host).bearer(physician));
    let filled = within(Duration::from_secs(30), again, |answer| answer.status == 200);
    trial.check("… until it has calmed down", filled.is_ok(), &filled.err().unwrap_or_default())?;
    Ok(())
}

/// Sends up to this many requests over each of a few connections, until one is answered 429: that answer, or the last.
fn flood(trial: &Trial<'_>, count: usize, request: &Request) -> Response {
    let refused = AtomicBool::new(false);
    let connection = || {
        let mut stream = BufReader::new(trial.client.connect());
        let mut last = Response::default();
        for _ in 0..count {
            last = h1::converse(&mut stream, request);
            if last.status != 200 && last.status != 401 || refused.load(Ordering::Relaxed) {
                break;
            }
        }
        refused.fetch_or(last.status == 429, Ordering::Relaxed);
        last
    };
    let answers: Vec<Response> = thread::scope(|scope| {
        let flooding: Vec<_> = (0..4).map(|_| scope.spawn(connection)).collect();
        flooding.into_iter().filter_map(|connection| connection.join().ok()).collect()
    });
    answers.into_iter().max_by_key(|answer| answer.status).unwrap_or_default()
}

/// Asks until the answer fits; what came last where none did.
fn within(time: Duration, ask: impl Fn() -> Response, fits: impl Fn(&Response) -> bool) -> Result<Response, String> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if fits(&answer) {
            return Ok(answer);
        }
        if start.elapsed() > time {
            return Err(format!("{answer:?}"));
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// A client of the identity provider, whose certificate is verified against the development authority.
fn provider() -> Result<Client, Box<dyn Error>> {
    let address = SocketAddr::from(([127, 0, 0, 1], port("IDP_PORT", 8444)?));
    Ok(Client::named(address, &fs::read_to_string("envoy/certs/ca.crt")?, "idp.clinic.example"))
}

/// What the provider says of itself.
fn discovery() -> Option<Value> {
    let request = Request::get("/realms/clinic/.well-known/openid-configuration").host("idp.clinic.example");
    let answer = provider().ok()?.send(Protocol::Http1, &request);
    serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200)
}

/// A token by client credentials (RFC 6749 section 4.4), for one of the realm's clients.
fn token(client: &str) -> Result<String, Box<dyn Error>> {
    let discovery = discovery().ok_or("the identity provider does not answer")?;
    let endpoint = discovery["token_endpoint"].as_str().ok_or("the provider has no token endpoint")?;
    let path = endpoint.strip_prefix("https://idp.clinic.example").ok_or("the token endpoint is elsewhere")?;
    let form = format!("grant_type=client_credentials&client_id={client}&client_secret={client}-development-secret");
    let request = Request::new("POST", path).host("idp.clinic.example");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    let answer = provider()?.send(Protocol::Http1, &request);
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    Ok(body["access_token"].as_str().ok_or_else(|| format!("no token for {client}: {answer:?}"))?.to_owned())
}
