//! From the policy's `introspection` provider to [`Introspection`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_cache::unsync::Cache;

use super::{BySize, CACHE_BYTES, Endpoint, Introspection, MAX_REFUSED, State, form_encoded};
use crate::identity::compile::time_within;
use crate::identity::jwt::claim_rules;
use crate::policy::Env;
use crate::policy::diagnostic::{Code, Report, quoted_address};
use crate::policy::document::Node;
use crate::policy::model;
use crate::policy::secret;

const SECOND: Duration = Duration::from_secs(1);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3_600);

/// The bytes that a client secret needs: 128 random bits in base64 have 22.
const SECRET_BYTES: usize = 16;

/// An answer is small; what is kept of one is larger.
const TYPICAL_ANSWER: u64 = 2_048;

impl Introspection {
    /// Compiles a provider that stands at `at`. `None` is one that has no address.
    pub(in crate::identity) fn compile(
        name: &Rc<str>,
        model: &model::Introspection,
        at: &Node,
        env: Env<'_>,
        report: &mut Report,
    ) -> Option<Self> {
        if model.cluster.is_empty() {
            report
                .error(at.key("cluster"), Code::InvalidValue, "the cluster has no name")
                .help("write the name of an Envoy cluster that reaches the issuer");
        }
        if model.audiences.iter().any(String::is_empty)
            || model.audiences.is_empty() && !model.allow_missing.contains(&model::Claim::Aud)
        {
            report.error(at.key("audiences"), Code::InvalidValue, "no audience, or an empty one").help(
                "write the `aud` that answers for this API have; where they have none, `\"allow_missing\": [\"aud\"]`",
            );
        }
        let mut time = |key: &str, own: Option<model::Duration>, usual: Duration, from: Duration, to: Duration| {
            time_within(from..=to, usual, own, at, key, report)
        };
        let max_age = time("max_age", model.max_age, SECOND * 60, SECOND, HOUR);
        let timeout = time("timeout", model.timeout, SECOND * 2, SECOND / 10, HALF_A_MINUTE);
        let wait = time("wait", model.wait, SECOND * 2, SECOND / 10, HALF_A_MINUTE);
        let credentials = credentials(model, at, env, report);
        let endpoint = Endpoint::parse(&model.uri);
        match &endpoint {
            None => report
                .error(
                    at.key("uri"),
                    Code::InvalidValue,
                    format!("{} is not an absolute address", quoted_address(&model.uri)),
                )
                .help("write \"https://…\", as the issuer's metadata have it under `introspection_endpoint`"),
            Some(endpoint) if !endpoint.is_https() => report
                .warning(at.key("uri"), Code::Risky, "tokens and the client's secret go over plain HTTP")
                .help("use https, and a cluster with TLS that checks the server's certificate"),
            Some(_) => (),
        };
        let state = State {
            serial: 0,
            asked: HashMap::new(),
            under_way: HashMap::new(),
            known: Cache::with_weighter(usize::try_from(CACHE_BYTES / TYPICAL_ANSWER).unwrap_or(1), CACHE_BYTES, BySize),
            refused: Cache::new(MAX_REFUSED),
            is_down: false,
        };
        Some(Self {
            name: Rc::clone(name),
            cluster: model.cluster.as_str().into(),
            endpoint: endpoint?,
            credentials,
            issuer: model.issuer.clone(),
            claims: claim_rules(&as_token(model), at, report).without_end(),
            max_age,
            timeout,
            wait,
            state: RefCell::new(state),
        })
    }
}

/// The provider as one of tokens whose claims are judged alike.
fn as_token(model: &model::Introspection) -> model::Jwt {
    model::Jwt {
        issuer: model.issuer.clone().unwrap_or_default(),
        audiences: model.audiences.clone(),
        algorithms: Vec::new(),
        jwks: None,
        secret: None,
        clock_skew: model.clock_skew,
        max_lifetime: None,
        max_age: None,
        typ: None,
        required_claims: model.required_claims.clone(),
        allow_missing: model.allow_missing.clone(),
        claim_map: model.claim_map.clone(),
        claim_headers: model.claim_headers.clone(),
        header: None,
        prefix: None,
        query: None,
        cookie: None,
        accept_roles: model.accept_roles.clone(),
        forward: model.forward,
    }
}

/// RFC 6749 section 2.3.1: both in the form of a form's values.
fn credentials(model: &model::Introspection, at: &Node, env: Env<'_>, report: &mut Report) -> Option<Rc<str>> {
    if model.client_id.is_empty() {
        report
            .error(at.key("client_id"), Code::InvalidValue, "the client has no name")
            .help("write the client id that the issuer gave this API");
    }
    let at = at.key("client_secret");
    if model.client_secret.previous.is_some() {
        report
            .error(at.key("previous"), Code::NotSupported, "one secret at a time is shown")
            .help("remove it; have the issuer accept both while they change");
    }
    let secret = secret::resolve(&model.client_secret, SECRET_BYTES, at, env, report)?;
    let secret = String::from_utf8(secret).ok()?;
    let pair = format!("{}:{}", form_encoded(&model.client_id), form_encoded(&secret));
    Some(format!("Basic {}", STANDARD.encode(pair)).into())
}
