//! The Envoys that tests share: one a policy, started when the first test needs it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::client::{Client, PROTOCOLS, Protocol};
use crate::support::config::Options;
use crate::support::envoy::Envoy;
use crate::support::message::{End, Request, Response};
use crate::support::token::{LEGACY_KEY, Signer, Token};
use crate::support::upstream::{Reply, Upstream};

/// Secrets that must never be seen in a log.
pub(crate) const PHI_KEY: &str = "the hashing key of the tests, 32 bytes or more";
pub(crate) const AUDIT_KEY: &str = "the audit key of the tests, 32 bytes or more";

pub(crate) const UPSTREAM_KEY: &str = "the key of the tests' upstream, 32 bytes or more";

pub(crate) const BILLING: &str = "billing-test-key";
pub(crate) const RESEARCH: &str = "research-test-key";

/// An Envoy with our module and a policy, and the upstream behind it.
pub(crate) struct Stage {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
}

impl Stage {
    /// Starts an Envoy with these options, with the secrets of the tests in its module's environment.
    pub(crate) fn new(options: Options) -> Self {
        let secrets =
            [("PHI_KEY", PHI_KEY), ("AUDIT_KEY", AUDIT_KEY), ("LEGACY_KEY", LEGACY_KEY), ("UPSTREAM_KEY", UPSTREAM_KEY)];
        let environment = secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let upstream = Upstream::start();
        Self { envoy: Envoy::start(Options { environment, ..options }, &upstream), upstream }
    }

    /// The same with one secret more.
    pub(crate) fn with_secret(options: Options, name: &str, value: &str) -> Self {
        let environment = vec![(name.to_owned(), value.to_owned())];
        let upstream = Upstream::start();
        Self { envoy: Envoy::start(Options { environment, ..options }, &upstream), upstream }
    }

    pub(crate) fn client(&self) -> Client {
        self.envoy.client()
    }

    pub(crate) fn send(&self, protocol: Protocol, request: &Request) -> Response {
        self.envoy.client().send(protocol, request)
    }

    /// Lets the upstream answer a path, and asserts that requests for it get through over both protocols.
    #[track_caller]
    pub(crate) fn allows(&self, request: &Request) {
        let path = request.path.split('?').next().unwrap_or_default();
        self.upstream.reply(path, Reply::fhir(&json!({ "resourceType": "Patient", "id": "p" })));
        for protocol in PROTOCOLS {
            let (request, mark) = marked(request);
            let response = self.send(protocol, &request);
            assert_eq!((response.status, response.end), (200, End::Whole), "{protocol:?} {request:?}\n{response:?}");
            assert!(self.reached(&mark), "{protocol:?} {request:?}");
        }
    }

    /// Asserts that a request is refused so over both protocols and never reaches the upstream; the last refusal.
    #[track_caller]
    pub(crate) fn refuses(&self, request: &Request, status: u16, reason: &str) -> Response {
        let [_, last] = PROTOCOLS.map(|protocol| self.refuses_over(protocol, request, status, reason));
        last
    }

    /// Asserts that a request is refused so and never reaches the upstream.
    #[track_caller]
    pub(crate) fn refuses_over(&self, protocol: Protocol, request: &Request, status: u16, reason: &str) -> Response {
        let (request, mark) = marked(request);
        let response = self.send(protocol, &request);
        let refused = (response.status, response.end, response.reason());
        assert_eq!(refused, (status, End::Whole, reason.to_owned()), "{protocol:?} {request:?}\n{response:?}");
        assert!(!self.reached(&mark), "{protocol:?} {request:?} reached the upstream");
        response
    }

    fn reached(&self, mark: &str) -> bool {
        self.upstream.all_seen().iter().any(|seen| seen.all(MARK) == [mark])
    }

    /// What the upstream received of the last request for a path.
    #[track_caller]
    pub(crate) fn received(&self, path: &str) -> crate::support::upstream::Seen {
        self.upstream.seen(path).pop().expect("a request reached the upstream")
    }
}

/// Names a request, since tests that run at the same time ask for the same path.
const MARK: &str = "x-test";

fn marked(request: &Request) -> (Request, String) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let mark = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
    (request.clone().header(MARK, &mark), mark)
}

/// The policy that most tests use.
pub(crate) fn clinic() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| Stage::new(Options { policy: CLINIC.to_owned(), ..Options::default() }))
}

/// `tests/fixtures/e2e/clinic.json`, as written.
pub(crate) const CLINIC: &str = include_str!("../fixtures/e2e/clinic.json");

/// The clinic's policy with a change to it.
pub(crate) fn clinic_with(change: impl FnOnce(&mut Value)) -> String {
    let mut policy: Value = serde_json::from_str(CLINIC).expect("the policy is JSON");
    change(&mut policy);
    policy.to_string()
}

/// A valid token of a physician.
pub(crate) fn physician() -> String {
    Token::smart("dr-house", &["physician"]).sign(Signer::Es256)
}

/// A valid token of a nurse.
pub(crate) fn nurse() -> String {
    Token::smart("nurse-joy", &["nurse"]).sign(Signer::Rs256)
}
