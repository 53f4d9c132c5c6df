//! One case of a `tests.json`: a request, and what has to come of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::reached::Reached;
use crate::audit::Decision;
use crate::cli::simulation::{Outcome, Request, Upstream, simulate};
use crate::exchange::Engine;
use crate::identity::StandIn;

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    request: Request,
    /// Stands for a caller whose credentials were verified.
    #[serde(default)]
    principal: Option<Caller>,
    /// The upstream's answer. Without it the case ends when the request is sent on.
    #[serde(default)]
    upstream: Option<Upstream>,
    expect: Expect,
}

/// A caller, as a case states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Caller {
    provider: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    client: Option<String>,
    #[serde(default)]
    subject: Option<String>,
}

/// What has to come of a case. What is absent is not looked at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    decision: String,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    route: Option<String>,
    /// Texts that the client's answer must not hold.
    #[serde(default)]
    absent: Vec<String>,
    /// Texts that it must hold.
    #[serde(default)]
    present: Vec<String>,
    /// The answer's body, compared as JSON.
    #[serde(default)]
    body: Option<Value>,
    /// Headers of the client's answer: a value, or null for none.
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    /// Headers of the request that is sent on: a value, or null for none.
    #[serde(default)]
    sent: BTreeMap<String, Option<String>>,
    /// The body of the request that is sent on, compared as JSON.
    #[serde(default)]
    sent_body: Option<Value>,
    /// Fields of the audit record: a value, or null for none.
    #[serde(default)]
    record: BTreeMap<String, Value>,
}

impl Case {
    /// Runs the case and says what was not as expected.
    pub(super) fn run(&self, engine: &Engine, now: i64, reached: &mut Reached) -> Vec<String> {
        let stand_in = self.principal.clone().map(StandIn::from);
        match simulate(engine, now, &self.request, stand_in.as_ref(), self.upstream.as_ref()) {
            Ok(outcome) => {
                reached.note(&outcome);
                self.expect.differences(&outcome)
            }
            Err(problem) => vec![problem],
        }
    }
}

impl From<Caller> for StandIn {
    fn from(caller: Caller) -> Self {
        let Caller { provider, roles, claims, client, subject } = caller;
        Self { provider, roles, claims, client, subject }
    }
}

impl Expect {
    fn differences(&self, outcome: &Outcome) -> Vec<String> {
        let Self { decision, status, reason, route, absent, present, body, headers, sent, sent_body, record } = self;
        let mut found = Vec::new();
        let mut compare = |what: &str, wanted: Option<String>, got: String| {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != got) {
                found.push(format!("{what}: expected {wanted}, got {got}"));
            }
        };
        let decided = match outcome.record.decision {
            Decision::Allow => "allow",
            Decision::Deny => "deny",
        };
        let none = || "none".to_owned();
        compare("decision", Some(decision.clone()), decided.to_owned());
        compare("status", status.map(|status| status.to_string()), outcome.status.map_or_else(none, |s| s.to_string()));
        compare("reason", reason.clone(), outcome.record.reason.to_owned());
        compare("route", route.clone(), outcome.record.route.as_deref().map_or_else(none, str::to_owned));
        if decision != decided {
            compare("reason of the decision", Some("another".to_owned()), outcome.record.reason.to_owned());
        }
        for (name, wanted) in headers {
            let got = outcome.head.first(name).unwrap_or_else(none);
            compare(&format!("header {name}"), Some(wanted.clone().unwrap_or_else(none)), got);
        }
        for (name, wanted) in sent {
            let got = outcome.sent.as_ref().and_then(|head| head.first(name)).unwrap_or_else(none);
            compare(&format!("header {name} sent on"), Some(wanted.clone().unwrap_or_else(none)), got);
        }
        let written = if record.is_empty() { Value::Null } else { json!(outcome.record) };
        for (name, wanted) in record {
            let got = written.get(name).unwrap_or(&Value::Null);
            compare(&format!("`{name}` of the record"), Some(wanted.to_string()), got.to_string());
        }
        let text = String::from_utf8_lossy(&outcome.body);
        found.extend(absent.iter().filter(|part| text.contains(*part)).map(|part| format!("the answer holds `{part}`")));
        found.extend(present.iter().filter(|part| !text.contains(*part)).map(|part| format!("the answer lacks `{part}`")));
        let sent = outcome.sent.as_ref().map_or(&b""[..], |_| &outcome.sent_body);
        for (what, wanted, got) in [("body", body, outcome.body.as_slice()), ("body sent on", sent_body, sent)] {
            let Some(wanted) = wanted else { continue };
            if serde_json::from_slice::<Value>(got).ok().as_ref() != Some(wanted) {
                found.push(format!("{what}: expected {wanted}, got {}", String::from_utf8_lossy(got)));
            }
        }
        found
    }
}
