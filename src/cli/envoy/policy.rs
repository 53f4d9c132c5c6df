//! The policy that our filter is given, and what of it Envoy has to fit.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::document::At;
use crate::cli::problem::Problem;
use crate::exchange::Engine;
use crate::policy;
use crate::policy::diagnostic::{Code, Report, Severity};
use crate::policy::document::{Node, Value};
use crate::policy::model::{Mode, Provider};

/// The body that a route takes where the policy does not say.
const DEFAULT_MAX_BODY: u64 = 1 << 20;

/// A part of what stands in for a secret: of characters that any may have.
const STAND_IN: &str = "stands-in-for-a-secret-";

/// A cluster that a policy has asked.
pub(super) struct Asked {
    pub(super) name: String,
    /// The key of the policy that names it.
    pub(super) place: String,
    pub(super) purpose: Purpose,
}

/// What a policy has a cluster for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It says who callers are: keys of issuers, what opaque tokens stand for.
    Identity,
    /// It is told what happened, with a bearer token or without one.
    Audit { with_token: bool },
}

/// What a policy asks of Envoy.
#[derive(Default)]
pub(super) struct Needs {
    /// Clusters that it has asked.
    pub(super) clusters: Vec<Asked>,
    /// The environment variables of its secrets.
    pub(super) secrets: BTreeSet<String>,
    /// Whether client certificates are credentials.
    pub(super) certificates: bool,
    /// Whether addresses are judged.
    pub(super) addresses: bool,
    /// Whether some route only records.
    pub(super) shadow: bool,
    /// Whether Envoy's shared data is signed.
    pub(super) signs_shared: bool,
    /// The largest body of a request.
    pub(super) max_body: u64,
    /// Headers that hold credentials, in lower case.
    pub(super) credentials: BTreeSet<String>,
    /// Headers that tell the upstream who asks, in lower case.
    pub(super) identity: BTreeSet<String>,
}

impl Needs {
    /// Reads a policy: what it needs, and what is wrong with it.
    pub(super) fn read(value: At<'_>, require_env: bool) -> (Self, Vec<Problem>) {
        let text = value.text().unwrap_or_default();
        let asked = RefCell::new(BTreeSet::new());
        let environment = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            // It is Envoy's environment that counts, not that of this shell; unless someone says so.
            crate::cli::environment(name).or_else(|| (!require_env).then(|| STAND_IN.repeat(8)))
        };
        let (_, mut found) = Engine::load(text.as_bytes(), &environment);
        for missing in found.iter_mut().filter(|found| require_env && found.code == Code::MissingSecret) {
            missing.severity = Severity::Error;
        }
        let problems = found.into_iter().map(|found| placed(value, found.into())).collect();
        let needs = Self { secrets: asked.take(), ..Self::of(text) };
        (needs, problems)
    }

    fn of(text: &str) -> Self {
        let mut needs = Self { max_body: DEFAULT_MAX_BODY, ..Self::default() };
        let Some(loaded) = policy::load(text, &mut Report::new(text)) else { return needs };
        let model = &loaded.model;
        let with_token = model.audit.delivery.as_ref().is_some_and(|delivery| delivery.authorization.is_some());
        for (key, purpose) in [("authentication", Purpose::Identity), ("audit", Purpose::Audit { with_token })] {
            if let Some(root) = loaded.root.get(key) {
                find_clusters(root, purpose, &mut needs.clusters);
            }
        }
        for provider in model.authentication.values() {
            let header = match provider {
                Provider::Jwt(jwt) => jwt.header.as_deref(),
                Provider::Introspection(asked) => asked.header.as_deref(),
                Provider::ApiKey(keys) => keys.header.as_deref(),
                Provider::Mtls(_) => {
                    needs.certificates = true;
                    None
                }
            };
            needs.credentials.extend(header.map(str::to_ascii_lowercase));
        }
        needs.credentials.extend(["authorization", "cookie"].map(str::to_owned));
        let named = &model.identity_headers;
        needs.identity.extend([&named.provider, &named.client, &named.subject, &named.roles].map(|name| name.clone()));
        needs.identity.extend(model.identity_token.iter().map(|token| token.header.clone()));
        needs.shadow = model.mode == Mode::Shadow || model.routes.iter().any(|route| route.mode == Some(Mode::Shadow));
        needs.addresses = model.routes.iter().any(|route| route.addresses.is_some());
        let sizes = model.routes.iter().map(|route| route.request.max_body.map_or(DEFAULT_MAX_BODY, |size| size.0));
        needs.max_body = sizes.max().unwrap_or(DEFAULT_MAX_BODY);
        needs.signs_shared = has_key(&loaded.root, "shared_key");
        needs
    }
}

/// A problem of the policy, where that stands in the configuration.
fn placed(value: At<'_>, problem: Problem) -> Problem {
    let (line, column) = value.position();
    let pointer = format!("{}#{}", value.pointer(), problem.pointer);
    if value.is_literal() {
        let line = line.saturating_add(problem.line).saturating_sub(1);
        let column = column.saturating_add(problem.column).saturating_sub(1);
        return Problem { pointer, line, column, ..problem };
    }
    let message = format!("policy, line {}, column {}: {}", problem.line, problem.column, problem.message);
    Problem { pointer, line, column, message, ..problem }
}

fn find_clusters(node: &Node, purpose: Purpose, found: &mut Vec<Asked>) {
    for member in node.members() {
        match &member.node.value {
            Value::String(name) if member.key == "cluster" => {
                found.push(Asked { name: name.clone(), place: member.node.pointer.to_string(), purpose });
            }
            _ => find_clusters(&member.node, purpose, found),
        }
    }
    node.items().iter().for_each(|item| find_clusters(item, purpose, found));
}

fn has_key(node: &Node, key: &str) -> bool {
    node.get(key).is_some()
        || node.members().iter().any(|member| has_key(&member.node, key))
        || node.items().iter().any(|item| has_key(item, key))
}
