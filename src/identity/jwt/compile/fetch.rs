//! From what a policy says of keys that are fetched to [`RemoteKeys`].

use std::rc::Rc;
use std::time::Duration;

use super::super::Keys;
use super::super::remote::{Bounds, RemoteKeys, Settings, document_of};
use crate::identity::compile::time_within;
use crate::identity::endpoint::Endpoint;
use crate::policy::Env;
use crate::policy::diagnostic::{Code, Report, quoted_address};
use crate::policy::document::Node;
use crate::policy::model::{self, Algorithm, FetchedKeys};
use crate::policy::secret;

const SECOND: Duration = Duration::from_secs(1);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(86_400);

/// The longest set that may be allowed: it is held in memory, and shared between workers.
const LARGEST: u64 = 1 << 20;
const MOST_KEYS: usize = 1_024;

/// The bytes that a key for shared data needs.
const SHARED_KEY_BYTES: usize = 32;

/// Compiles keys that are fetched; `issuer` is given where its discovery document says from where.
pub(super) fn keys(
    model: &FetchedKeys,
    issuer: Option<&String>,
    accepted: Vec<Algorithm>,
    at: &Node,
    env: Env<'_>,
    report: &mut Report,
) -> Keys {
    if model.cluster.is_empty() {
        report
            .error(at.key("cluster"), Code::InvalidValue, "the cluster has no name")
            .help("write the name of an Envoy cluster that reaches the issuer");
    }
    let mut time = |key: &str, own: Option<model::Duration>, usual: Duration, from: Duration, to: Duration| {
        time_within(from..=to, usual, own, at, key, report)
    };
    let refresh = time("refresh", model.refresh, SECOND * 300, SECOND, DAY).max(SECOND);
    let min_refresh = time("min_refresh", model.min_refresh, HALF_A_MINUTE.min(refresh), SECOND, refresh);
    let bounds = Bounds {
        refresh: refresh.max(min_refresh),
        min_refresh,
        max_stale: time("max_stale", model.max_stale, SECOND * 3_600, Duration::ZERO, DAY * 30),
        timeout: time("timeout", model.timeout, SECOND * 2, SECOND / 10, HALF_A_MINUTE),
        min_interval: time("min_interval", model.min_interval, SECOND * 10, SECOND, DAY),
    };
    let wait = time("wait", model.wait, SECOND * 2, Duration::ZERO, HALF_A_MINUTE);
    let max_size = model.max_size.map_or(256 << 10, |size| size.0);
    let max_keys = model.max_keys.unwrap_or(64);
    if max_size > LARGEST {
        report
            .error(at.key("max_size"), Code::InvalidValue, "a set of keys may not be allowed to be longer than 1MiB")
            .help("leave it out for 256KiB");
    }
    if !(1..=MOST_KEYS).contains(&max_keys) {
        report
            .error(at.key("max_keys"), Code::InvalidValue, format!("`max_keys` has to be from 1 to {MOST_KEYS}"))
            .help("leave it out for 64");
    }
    let shared_key = model.shared_key.as_ref().and_then(|key| {
        let at = at.key("shared_key");
        if key.previous.is_some() {
            let message = "shared keys are fetched again when their key changes";
            report.error(at.key("previous"), Code::NotSupported, message).help("remove it");
        }
        secret::resolve(key, SHARED_KEY_BYTES, at, env, report)
    });
    let Some(endpoint) = endpoint(model, issuer, at, report) else { return Keys::Inline(Rc::default()) };
    Keys::Remote(Box::new(RemoteKeys::new(Settings {
        cluster: model.cluster.as_str().into(),
        discovers: issuer.cloned(),
        endpoint,
        accepted,
        bounds,
        wait,
        max_size: usize::try_from(max_size).unwrap_or(usize::MAX),
        max_keys,
        shared_key,
    })))
}

fn endpoint(model: &FetchedKeys, issuer: Option<&String>, at: &Node, report: &mut Report) -> Option<Endpoint> {
    let endpoint = match (issuer, &model.uri) {
        (Some(_), Some(_)) => {
            report
                .error(at.key("uri"), Code::InvalidValue, "the discovery document says where the keys are")
                .help("remove `uri`, or write \"remote\" in place of \"discovery\"");
            return None;
        }
        (Some(issuer), None) => document_of(issuer).or_else(|| {
            let message = "the issuer is no address, so it has no discovery document";
            report.error(at, Code::InvalidValue, message).help("write {\"remote\": {\"cluster\": …, \"uri\": …}}");
            None
        }),
        (None, None) => {
            report
                .error(at, Code::MissingKey, "key `uri` is missing")
                .help("write the address of the issuer's JWK Set, or \"discovery\" in place of \"remote\"");
            return None;
        }
        (None, Some(uri)) => Endpoint::parse(uri).or_else(|| {
            let message = format!("{} is not an absolute address", quoted_address(uri));
            report
                .error(at.key("uri"), Code::InvalidValue, message)
                .help("write \"https://…\", as the issuer publishes it");
            None
        }),
    }?;
    if !endpoint.is_https() {
        report
            .warning(at, Code::Risky, "the keys come over plain HTTP: who is on the way can put in their own")
            .help("use https, and a cluster with TLS that checks the server's certificate");
    }
    Some(endpoint)
}
