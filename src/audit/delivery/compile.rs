//! From the policy's `audit.delivery` to [`Delivery`].

use std::rc::Rc;
use std::time::Duration;

use super::{Bearer, Delivery};
use crate::audit::event::Teller;
use crate::audit::queue::Pace;
use crate::identity::{Endpoint, time_within};
use crate::policy::Env;
use crate::policy::diagnostic::{Code, Report, quoted_address};
use crate::policy::document::Node;
use crate::policy::model::{self, Overflow};
use crate::policy::secret;

const MAX_BATCH: usize = 200;
const MAX_QUEUE: usize = 100_000;
const MAX_NAME: usize = 128;

/// What makes a token hard to guess: 128 random bits in base64 have 22.
const TOKEN_BYTES: usize = 16;

impl Delivery {
    /// Compiles what stands at `at`. `None` is one that has no address.
    pub fn compile(model: &model::Delivery, policy: &str, at: &Node, env: Env<'_>, report: &mut Report) -> Option<Self> {
        if model.cluster.is_empty() {
            report
                .error(at.key("cluster"), Code::InvalidValue, "the cluster has no name")
                .help("write the name of an Envoy cluster that reaches the audit repository");
        }
        let seconds = Duration::from_secs;
        let interval = Duration::from_millis(250)..=seconds(60);
        let interval = time_within(interval, seconds(1), model.interval, at, "interval", report);
        let timeout = time_within(seconds(1)..=seconds(60), seconds(10), model.timeout, at, "timeout", report);
        let mut count = |key: &str, own: Option<usize>, usual: usize, most: usize| {
            let count = own.unwrap_or(usual);
            if !(1..=most).contains(&count) {
                report
                    .error(at.key(key), Code::InvalidValue, format!("`{key}` has to be from 1 to {most}"))
                    .help(format!("leave it out for {usual}"));
            }
            count
        };
        let batch = count("batch", model.batch, 50, MAX_BATCH);
        let max_queue = count("max_queue", model.max_queue, 10_000, MAX_QUEUE);
        for (key, name) in [("source", &model.source), ("site", &model.site)] {
            let fits = |name: &String| (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
            if name.as_ref().is_some_and(|name| !fits(name)) {
                report
                    .error(at.key(key), Code::InvalidValue, format!("`{key}` is no name for an event"))
                    .help("write 1 to 128 bytes without control characters, or leave it out");
            }
        }
        let endpoint = Endpoint::parse(&model.uri);
        match &endpoint {
            None => report
                .error(
                    at.key("uri"),
                    Code::InvalidValue,
                    format!("{} is not an absolute address", quoted_address(&model.uri)),
                )
                .help("write the base address of the audit repository, \"https://…\""),
            Some(endpoint) if !endpoint.is_https() => report
                .warning(at.key("uri"), Code::Risky, "events that name patients go over plain HTTP")
                .help("use https, and a cluster with TLS that checks the server's certificate"),
            Some(_) => report
                .warning(at, Code::Risky, "AuditEvents name patients, users and searches in clear")
                .help("guard the audit repository like the records themselves"),
        };
        Some(Self {
            cluster: model.cluster.as_str().into(),
            endpoint: endpoint?,
            authorization: bearer(model, at, env, report),
            pace: Pace { max_queue, batch, interval: milliseconds(interval), timeout: milliseconds(timeout) },
            refuses: model.on_overflow == Overflow::Refuse,
            teller: Teller {
                name: model.source.as_deref().unwrap_or(policy).into(),
                site: model.site.as_deref().map(Rc::from),
            },
        })
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The `authorization` of each call. Without its secret there is none, and the repository refuses them.
fn bearer(model: &model::Delivery, at: &Node, env: Env<'_>, report: &mut Report) -> Option<Bearer> {
    let token = model.authorization.as_ref()?;
    let at = at.key("authorization");
    if token.previous.is_some() {
        report
            .error(at.key("previous"), Code::NotSupported, "one token at a time is shown")
            .help("remove it; have the repository accept both while they change");
    }
    let value = String::from_utf8(secret::resolve(token, TOKEN_BYTES, at, env, report)?).ok();
    let value = value.filter(|value| value.bytes().all(|byte| byte.is_ascii_graphic()));
    if value.is_none() {
        report
            .error(at.key("env"), Code::WeakSecret, format!("`{}` is no bearer token", token.env))
            .help("a token has letters, digits and `-._~+/=` alone; look for a line end");
    }
    value.map(|value| Bearer(format!("Bearer {value}").into()))
}
