//! Exchanges without Envoy, and their events.

use std::collections::BTreeMap;
use std::net::IpAddr;

use carewarden::exchange::{Engine, Exchange, Facts, Host, Next};
use carewarden::http::Headers;
use carewarden::identity::{NoHost, StandIn};
use carewarden::json::Limits;
use carewarden::validate::Shape;
use serde::Deserialize;
use serde_json::{Map, Value};

/// 2026-11-27T03:24:03.250Z
const BEGAN: u64 = 1_795_749_843_250;

/// An exchange as a document.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) claims: Option<Map<String, Value>>,
    pub(crate) roles: Vec<String>,
    /// None where the client went away.
    pub(crate) status: Option<u16>,
    pub(crate) location: Option<String>,
    /// The connection has no address.
    pub(crate) is_pipe: bool,
    /// There was no room.
    pub(crate) lacks_room: bool,
    pub(crate) event: Value,
}

struct Connection(Option<IpAddr>);

impl Facts for Connection {
    fn source(&self) -> Option<IpAddr> {
        self.0
    }
    fn is_tls(&self) -> bool {
        true
    }
    fn envoy_route(&self) -> Option<String> {
        None
    }
    fn certificate_sha256(&self) -> Option<[u8; 32]> {
        None
    }
    fn is_from_upstream(&self) -> bool {
        true
    }
}

pub(crate) fn policy() -> Value {
    serde_json::from_str(include_str!("../fixtures/audit/policy.json")).unwrap()
}

pub(crate) fn engine() -> Engine {
    let secret = |name: &str| (name == "JWT_KEY").then(|| "a secret of the tests, 32 bytes or more".to_owned());
    let (engine, found) = Engine::load(policy().to_string().as_bytes(), &secret);
    engine.unwrap_or_else(|| panic!("{found:?}"))
}

impl Case {
    /// What the exchange tells, as it is written.
    pub(crate) fn text(&self) -> Vec<u8> {
        let engine = engine();
        let stand_in = self.claims.clone().map(|claims| StandIn {
            provider: "smart".to_owned(),
            roles: self.roles.clone(),
            client: None,
            subject: None,
            claims,
        });
        let mut exchange = match stand_in {
            Some(stand_in) => Exchange::with_stand_in(&engine, 1, &stand_in).unwrap(),
            None => Exchange::new(&engine, 1),
        };
        let source = (!self.is_pipe).then(|| "2001:db8::7".parse().unwrap());
        let connection = Connection(source);
        let host = Host { now_ns: BEGAN * 1_000_000, facts: &connection, verifier: &NoHost };
        let method = if self.method.is_empty() { "GET" } else { &self.method };
        let pseudo = [(":method", method), (":path", &*self.path), (":authority", "fhir.clinic.example")];
        let fields = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let head = Headers::from_pairs(pseudo.into_iter().chain(fields));
        if self.lacks_room {
            exchange.lacks_room();
        }
        let body = self.body.as_bytes();
        let mut effects = exchange.request_head(Some(head), body.is_empty(), &host);
        if !body.is_empty() && matches!(effects.next, Next::Hold(_)) {
            effects = exchange.request_body(body.len(), true, &|| Some(body.to_vec()), &host);
        }
        let mut status = self.status;
        if let Next::Reply(reply) = &effects.next {
            status = Some(reply.status);
        } else if exchange.awaits_location() {
            exchange.note_location(self.location.as_deref().unwrap_or_default().as_bytes());
        }
        exchange.close((BEGAN + 40) * 1_000_000, status);
        exchange.event().expect("events are delivered")
    }

    /// What the exchange tells. It is always a resource of R4.
    #[track_caller]
    pub(crate) fn told(&self) -> Value {
        let text = self.text();
        let shaped = Shape::check(&text, &Limits::default()).expect("JSON within limits");
        let text = String::from_utf8(text).unwrap();
        assert_eq!(shaped.violation, None, "{}: {text}", self.name);
        serde_json::from_str(&text).unwrap()
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../fixtures/audit/events.json")).unwrap();
    assert!(cases.len() > 20, "{} cases", cases.len());
    cases
}
