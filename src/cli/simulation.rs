//! An exchange without Envoy: requests and answers as JSON documents, driven through the engine as the shell does it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::audit::Record;
use crate::exchange::explain::Step;
use crate::exchange::{Change, Effects, Engine, Exchange, Facts, Host, Next};
use crate::http::Headers;
use crate::identity::{NoHost, StandIn};
use crate::policy::model::Sha256Hex;

/// A request as a document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    #[serde(default = "get")]
    method: String,
    path: String,
    host: String,
    #[serde(default = "yes")]
    tls: bool,
    #[serde(default)]
    source: Option<IpAddr>,
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    body_text: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
    /// The client certificate, which counts as validated.
    #[serde(default)]
    client_cert: Option<ClientCertificate>,
    #[serde(default)]
    envoy_route: Option<String>,
}

/// A client certificate as Envoy tells of it: its SHA-256 in hexadecimal, or more.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum ClientCertificate {
    Digest(Sha256Hex),
    Told(ToldCertificate),
}

/// What Envoy tells of a client certificate: of its SANs the first of each kind, no more.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ToldCertificate {
    sha256: Option<Sha256Hex>,
    uri_san: Option<String>,
    dns_san: Option<String>,
    subject: Option<String>,
}

/// An upstream's answer as a document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    body_text: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
}

/// One value of a header, or several fields of that name.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

fn get() -> String {
    "GET".to_owned()
}

fn yes() -> bool {
    true
}

fn ok() -> u16 {
    200
}

/// A body: JSON, text, or bytes in base64; one of them.
fn body(json: Option<&Value>, text: Option<&String>, base64: Option<&String>) -> Result<Vec<u8>, String> {
    match (json, text, base64) {
        (None, None, None) => Ok(Vec::new()),
        (Some(json), None, None) => Ok(json.to_string().into_bytes()),
        (None, Some(text), None) => Ok(text.clone().into_bytes()),
        (None, None, Some(text)) => STANDARD.decode(text).map_err(|error| format!("`body_base64` is not base64: {error}")),
        _ => Err("give one of `body`, `body_text` and `body_base64`".to_owned()),
    }
}

impl Request {
    /// Its body, empty where it has none.
    pub(super) fn body(&self) -> Result<Vec<u8>, String> {
        body(self.body.as_ref(), self.body_text.as_ref(), self.body_base64.as_ref())
    }

    /// Its body, where that is written as JSON.
    pub(super) fn json(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// Its first line, for people: of its query the names alone, since a value may be a credential.
    pub(super) fn title(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let name = |pair: &str| pair.split_once('=').map_or(pair.to_owned(), |(name, _)| format!("{name}=…"));
        let names: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).map(name).collect();
        let query = if names.is_empty() { String::new() } else { format!("?{}", names.join("&")) };
        format!("{} {scheme}://{}{path}{query}", self.method, self.host)
    }

    /// Its head.
    pub(super) fn head(&self) -> Headers {
        self.written_head().read()
    }

    fn written_head(&self) -> Head {
        let scheme = if self.tls { "https" } else { "http" };
        let pseudo = [(":method", &*self.method), (":path", &*self.path), (":authority", &*self.host), (":scheme", scheme)];
        Head::new(pseudo, &self.headers)
    }
}

impl Upstream {
    fn body(&self) -> Result<Vec<u8>, String> {
        body(self.body.as_ref(), self.body_text.as_ref(), self.body_base64.as_ref())
    }
}

/// A head that effects can change.
#[derive(Clone, Debug, Default)]
pub(super) struct Head(Vec<(String, Vec<u8>)>);

impl Head {
    fn new<const N: usize>(pseudo: [(&str, &str); N], fields: &BTreeMap<String, Values>) -> Self {
        let mut head: Vec<_> = pseudo.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        for (name, values) in fields {
            let values = match values {
                Values::One(value) => std::slice::from_ref(value),
                Values::Many(values) => values,
            };
            head.extend(values.iter().map(|value| (name.to_ascii_lowercase(), value.as_bytes().to_vec())));
        }
        Self(head)
    }

    /// The value of the first field of this name.
    pub(super) fn first(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    fn read(&self) -> Headers {
        Headers::from_pairs(self.0.iter().map(|(name, value)| (name, value)))
    }

    fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Set(name, value) => {
                    self.0.retain(|(own, _)| *own != name);
                    self.0.push((name.into_owned(), value));
                }
                Change::Add(name, value) => self.0.push((name.into_owned(), value)),
                Change::Remove(name) => self.0.retain(|(own, _)| own.as_bytes() != name),
            }
        }
    }
}

/// What came of an exchange.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) record: Record,
    /// What the client gets; nothing when the request went on and no answer was given.
    pub(super) status: Option<u16>,
    pub(super) head: Head,
    pub(super) body: Vec<u8>,
    /// The head of the request that was sent on.
    pub(super) sent: Option<Head>,
    /// Its body.
    pub(super) sent_body: Vec<u8>,
    /// The redaction rules that were used, by their pointers in the policy.
    pub(super) used_rules: Vec<String>,
    /// What was tried, where that was asked for.
    pub(super) steps: Vec<Step>,
}

struct Connection<'r>(&'r Request);

impl Connection<'_> {
    fn told(&self) -> Option<&ToldCertificate> {
        match self.0.client_cert.as_ref()? {
            ClientCertificate::Digest(_) => None,
            ClientCertificate::Told(told) => Some(told),
        }
    }
}

impl Facts for Connection<'_> {
    fn source(&self) -> Option<IpAddr> {
        self.0.source
    }
    fn is_tls(&self) -> bool {
        self.0.tls
    }
    fn envoy_route(&self) -> Option<String> {
        self.0.envoy_route.clone()
    }
    fn certificate_sha256(&self) -> Option<[u8; 32]> {
        match self.0.client_cert.as_ref()? {
            ClientCertificate::Digest(digest) => Some(digest.0),
            ClientCertificate::Told(told) => told.sha256.map(|digest| digest.0),
        }
    }
    fn has_certificate(&self) -> bool {
        self.0.client_cert.is_some()
    }
    fn certificate_uri_san(&self) -> Option<String> {
        self.told()?.uri_san.clone()
    }
    fn certificate_dns_san(&self) -> Option<String> {
        self.told()?.dns_san.clone()
    }
    fn certificate_subject(&self) -> Option<String> {
        self.told()?.subject.clone()
    }
    fn is_from_upstream(&self) -> bool {
        true
    }
}

/// Drives a request, and the upstream's answer where there is one, through the engine at the moment `now`.
///
/// A stand-in is a caller whose credentials are taken to be verified.
pub(super) fn simulate(
    engine: &Engine,
    now: i64,
    request: &Request,
    stand_in: Option<&StandIn>,
    upstream: Option<&Upstream>,
) -> Result<Outcome, String> {
    drive(begin(engine, stand_in)?, now, request, upstream)
}

/// The same, but what comes of it has each step, and why it did or did not hold.
pub(super) fn explain(
    engine: &Engine,
    now: i64,
    request: &Request,
    stand_in: Option<&StandIn>,
    upstream: Option<&Upstream>,
) -> Result<Outcome, String> {
    drive(begin(engine, stand_in)?.explained(), now, request, upstream)
}

fn begin(engine: &Engine, stand_in: Option<&StandIn>) -> Result<Exchange, String> {
    match stand_in {
        Some(stand_in) => Exchange::with_stand_in(engine, 1, stand_in).map_err(|error| error.to_string()),
        None => Ok(Exchange::new(engine, 1)),
    }
}

fn drive(mut exchange: Exchange, now: i64, request: &Request, upstream: Option<&Upstream>) -> Result<Outcome, String> {
    let now_ns = u64::try_from(now).unwrap_or(0).saturating_mul(1_000_000_000);
    let host = Host { now_ns, facts: &Connection(request), verifier: &NoHost };
    let mut sent = request.written_head();
    let body = request.body()?;

    let mut effects = exchange.request_head(Some(sent.read()), body.is_empty(), &host);
    if matches!(effects.next, Next::Await(_)) {
        // Nobody is asked from a desk.
        effects = exchange.timed_out();
    }
    if matches!(effects.next, Next::Hold(_)) {
        sent.apply(effects.changes);
        effects = exchange.request_body(body.len(), true, &|| Some(body.clone()), &host);
    }
    let sent_body = effects.body.take().unwrap_or(body);
    let answered = match (&effects.next, upstream) {
        (Next::Continue, Some(upstream)) => {
            sent.apply(std::mem::take(&mut effects.changes));
            let (effects, head, body) = answer(&mut exchange, upstream, &host)?;
            Answered { effects, head, body, status: Some(upstream.status), sent: Some(sent) }
        }
        (Next::Continue, None) => {
            sent.apply(std::mem::take(&mut effects.changes));
            Answered { effects, sent: Some(sent), ..Answered::default() }
        }
        _ => Answered { effects, ..Answered::default() },
    };
    let (used_rules, steps) = (exchange.used_redaction_rules(), exchange.steps().to_vec());
    let Answered { effects, head, body, status, sent } = answered;
    let (status, head, body) = match effects.next {
        Next::Reply(reply) => {
            let fields = reply.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            (Some(reply.status), Head(fields), reply.body)
        }
        Next::Continue => (status, head, body),
        Next::Reset | Next::Hold(_) | Next::Await(_) => (None, Head::default(), Vec::new()),
    };
    let record = exchange.close(now_ns, status).clone();
    Ok(Outcome { record, status, head, body, sent, sent_body, used_rules, steps })
}

#[derive(Default)]
struct Answered {
    effects: Effects,
    head: Head,
    body: Vec<u8>,
    status: Option<u16>,
    sent: Option<Head>,
}

fn answer(exchange: &mut Exchange, upstream: &Upstream, host: &Host<'_>) -> Result<(Effects, Head, Vec<u8>), String> {
    let status = upstream.status.to_string();
    let mut head = Head::new([(":status", &*status)], &upstream.headers);
    let body = upstream.body()?;
    let mut effects = exchange.answer_head(&|| Some(head.read()), body.is_empty(), host);
    head.apply(std::mem::take(&mut effects.changes));
    if body.is_empty() || matches!(effects.next, Next::Reply(_) | Next::Reset) {
        return Ok((effects, head, Vec::new()));
    }
    let mut effects = exchange.answer_body(body.len(), true, &|| Some(body.clone()));
    let body = effects.body.take().unwrap_or(body);
    Ok((effects, head, body))
}
