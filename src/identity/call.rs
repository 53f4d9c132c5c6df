//! What has to be asked of other servers: the keys of an issuer, whether an opaque token is active.
//!
//! Nothing here calls anybody. A provider says what it wants to ask as a [`Call`], a shell makes it and hands back what
//! came. Each call has a number, so that an answer that comes late, to a question that was given up, is told apart.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::http::Headers;

/// A call that a shell makes to a cluster that its host knows.
pub struct Call {
    /// The cluster, by its name in Envoy.
    pub cluster: Rc<str>,
    /// The request's head, pseudo-headers first.
    pub head: Vec<(&'static str, Rc<str>)>,
    /// The request's body.
    pub body: Vec<u8>,
    /// How long the whole answer may take.
    pub timeout: Duration,
    /// The longest body that is worth reading.
    pub max_body: usize,
}

/// A call may hold a secret, or somebody's token.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

/// Which call of which provider: what its answer is handed back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId {
    pub(super) provider: usize,
    pub(super) serial: u64,
}

/// What a server answered.
pub struct Answer {
    /// The head, `:status` among it.
    pub head: Headers,
    /// The body; `None` when it is longer than the call's `max_body`.
    pub body: Option<Vec<u8>>,
}

impl Answer {
    /// The body of an answer that says it is all right.
    pub(super) fn into_body(self) -> Result<Vec<u8>, Failure> {
        let status = self.head.first(":status").and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        let status = status.unwrap_or(0);
        if status != 200 {
            return Err(Failure::Status(status));
        }
        self.body.ok_or(Failure::TooLarge)
    }
}

/// Why a call brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No such cluster, no connection, no answer in time.
    #[error("the server could not be reached, or did not answer in time")]
    Unreachable,
    /// Any status but 200: redirects are not followed.
    #[error("the server, or Envoy in its place, answered with status {0}")]
    Status(u16),
    /// Longer than the policy allows.
    #[error("the answer is longer than `max_size`")]
    TooLarge,
    /// Not the JSON that it has to be.
    #[error("the answer is not the JSON that it has to be")]
    Malformed,
    /// A discovery document of another issuer.
    #[error("the discovery document is that of another issuer")]
    Issuer,
    /// A discovery document without an address that can be used.
    #[error("the discovery document has no `jwks_uri` that can be used")]
    Endpoint,
    /// More keys than the policy allows.
    #[error("the set has more keys than `max_keys`")]
    TooManyKeys,
    /// Not one usable key.
    #[error("the set has no key that verifies an algorithm of the policy")]
    NoKeys,
}

impl Failure {
    /// Its name in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Issuer => "other_issuer",
            Self::Endpoint => "no_endpoint",
            Self::TooManyKeys => "too_many_keys",
            Self::NoKeys => "no_keys",
        }
    }
}

/// What became of what a provider asked, for logs and metrics.
#[derive(Debug, PartialEq, Eq)]
pub struct Note {
    /// The provider.
    pub provider: Rc<str>,
    /// What was asked.
    pub subject: Subject,
    /// How it went: a name for metrics, or why it did not.
    pub result: Result<&'static str, Failure>,
    /// Whether it went so for the first time in a row, which is when a log has to hear of it.
    pub is_news: bool,
    /// What was wrong with parts of the answer that were left out: nothing of what they hold.
    pub faults: Vec<String>,
    /// When it is asked again.
    pub again_in: Duration,
}

/// What is asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The keys of an issuer.
    Keys,
    /// Whether a token is active.
    Token,
}

/// What follows from the time, or from an answer.
#[derive(Debug, Default)]
pub struct Upkeep {
    /// The calls to make now.
    pub calls: Vec<(CallId, Call)>,
    /// What is worth telling.
    pub notes: Vec<Note>,
    /// Whether requests that wait may be judged now.
    pub settles: bool,
}

/// What the workers of a host share, and what outlives a reload of the module. Envoy's shared data.
pub trait SharedData {
    /// What is kept under a name.
    fn get(&self, name: &str) -> Option<Vec<u8>>;
    /// Keeps something under a name. It may be lost.
    fn set(&self, name: &str, value: &[u8]);
}

/// A host whose workers share nothing.
#[derive(Clone, Copy, Debug)]
pub struct NothingShared;

impl SharedData for NothingShared {
    fn get(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn set(&self, _: &str, _: &[u8]) {}
}
