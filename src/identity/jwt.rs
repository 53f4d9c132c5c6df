//! JSON Web Tokens of one issuer (RFC 7519, RFC 8725).
//!
//! A token passes these, in this order, or is refused with the first that fails:
//!
//! 1. It has its one form, and its header asks for nothing that we do not do ([`token`]).
//! 2. Its algorithm is one that the provider accepts; exactly one key of the issuer fits its `kid` and algorithm. Where
//!    keys are fetched ([`remote`]) and none does, the issuer is asked again.
//! 3. Its signature is that key's ([`signature`]). Nothing that it claims is judged before.
//! 4. Its type and claims are what the policy asks for ([`claims`]).
//!
//! `iss` was compared before: it chose this provider.

mod claims;
mod compile;
#[cfg(not(target_family = "wasm"))]
mod explain;
pub(crate) mod json;
mod jwk;
#[cfg(not(target_family = "wasm"))]
mod key_file;
mod remote;
mod required;
mod signature;
mod token;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use jwk::PublicKey;
use remote::{Miss, Polled, RemoteKeys};
use required::Required;
use signature::VerifyingKey;

pub(super) use claims::{Verified, header_value};
pub(super) use compile::claim_rules;
#[cfg(not(target_family = "wasm"))]
pub(super) use explain::read_leniently;
#[cfg(not(target_family = "wasm"))]
pub use key_file::{KeyFile, KeyFileError};
pub use signature::{Hash, NoHost, SignatureVerifier, Verification};
pub(super) use token::Token;

use super::call::{Answer, Call, Note, SharedData, Subject};
use super::{Halt, Refusal};
use crate::policy::model::Algorithm;

/// The tokens of one issuer.
#[derive(Debug)]
pub(super) struct Jwt {
    name: Rc<str>,
    pub(super) issuer: String,
    algorithms: Vec<Algorithm>,
    keys: Keys,
    /// The shared secret and the one before it.
    secrets: Vec<VerifyingKey>,
    /// Values of `typ` accepted, in lower case and without `application/`. None: not looked at.
    types: Option<Vec<String>>,
    pub(super) claims: ClaimRules,
}

/// The public keys of an issuer.
#[derive(Debug)]
enum Keys {
    /// Those that the policy holds.
    Inline(Rc<Vec<PublicKey>>),
    /// Those that the issuer publishes.
    Remote(Box<RemoteKeys>),
}

/// What the claims must be, and what they mean.
#[derive(Debug)]
pub(super) struct ClaimRules {
    audiences: Vec<String>,
    aud_may_be_missing: bool,
    exp_may_be_missing: bool,
    /// Seconds.
    skew: i64,
    max_lifetime: Option<i64>,
    max_age: Option<i64>,
    required: Vec<Required>,
    roles: Option<String>,
    /// What the issuer's roles are here. All are themselves without it.
    role_map: Option<HashMap<String, Vec<Rc<str>>>>,
    client: Option<String>,
    patient: Option<String>,
    accept_roles: Option<HashSet<String>>,
    /// Headers that tell the upstream of claims, and where these stand.
    pub(super) headers: Vec<(Rc<str>, String)>,
}

/// What the claims say of the caller.
#[derive(Default)]
pub(super) struct Mapping {
    pub(super) subject: Option<Rc<str>>,
    pub(super) client: Option<Rc<str>>,
    pub(super) patient: Option<Rc<str>>,
    pub(super) roles: Vec<Rc<str>>,
}

impl Jwt {
    /// Verifies all of a token but what changes from use to use, which [`Verified::judge`] does.
    pub(super) fn verify(&self, token: Token<'_>, now: Duration, host: &dyn SignatureVerifier) -> Result<Verified, Halt> {
        if !self.algorithms.contains(&token.algorithm) {
            return Err(Refusal::Algorithm.into());
        }
        let signed_by = |key: &VerifyingKey| key.verifies(token.algorithm, token.signed, token.signature(), host);
        let valid = match token.algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 if self.secrets.is_empty() => {
                return Err(Refusal::UnknownKey.into());
            }
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => self.secrets.iter().any(signed_by),
            _ => match select(&self.keys.at_hand(), &token) {
                Ok(key) => signed_by(&key.key),
                Err(Refusal::UnknownKey) => return Err(self.keys.miss(now)),
                Err(refusal) => return Err(refusal.into()),
            },
        };
        if !valid {
            return Err(Refusal::BadSignature.into());
        }
        self.check_type(token.typ.as_deref())?;
        Ok(Verified::from_claims(&self.claims, &self.name, token.claims)?)
    }

    /// Whether its keys are fetched.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self.keys, Keys::Remote(_))
    }

    /// How long ago the keys at hand were fetched, where they are.
    pub(super) fn age_of_keys(&self, now: Duration) -> Option<Duration> {
        match &self.keys {
            Keys::Inline(_) => None,
            Keys::Remote(remote) => remote.age(now),
        }
    }

    /// Does what is due with keys that are fetched: `None` where they are not.
    pub(super) fn poll(&self, now: Duration, shared: &dyn SharedData) -> Option<Polled> {
        match &self.keys {
            Keys::Inline(_) => None,
            Keys::Remote(remote) => Some(remote.poll(now, shared)),
        }
    }

    /// Takes the answer to a call, or that there is none: a call that follows, or how it went, and whether there are other
    /// keys than before.
    pub(super) fn answered(
        &self,
        serial: u64,
        answer: Option<Answer>,
        now: Duration,
        shared: &dyn SharedData,
    ) -> (Option<(u64, Call)>, Option<Note>, bool) {
        let Keys::Remote(remote) = &self.keys else { return (None, None, false) };
        let Some(arrival) = remote.answered(serial, answer, now, shared) else { return (None, None, false) };
        let note = arrival.result.map(|result| {
            let (result, faults) = match result {
                Ok(faults) => (Ok("ok"), faults),
                Err(failure) => (Err(failure), Vec::new()),
            };
            let (provider, again_in) = (Rc::clone(&self.name), remote.until_next(now));
            Note { provider, subject: Subject::Keys, result, is_news: true, faults, again_in }
        });
        (arrival.call, note, arrival.is_changed)
    }

    /// RFC 7515 section 4.1.9: media types, whose case and `application/` do not matter.
    fn check_type(&self, typ: Option<&str>) -> Result<(), Refusal> {
        match (&self.types, typ) {
            (None, _) => Ok(()),
            (Some(accepted), Some(typ)) if accepted.contains(&media_type(typ)) => Ok(()),
            (Some(_), _) => Err(Refusal::TokenType),
        }
    }
}

impl Keys {
    fn at_hand(&self) -> Rc<Vec<PublicKey>> {
        match self {
            Self::Inline(keys) => Rc::clone(keys),
            Self::Remote(remote) => remote.keys(),
        }
    }

    /// What a token does whose key is not there.
    fn miss(&self, now: Duration) -> Halt {
        let Self::Remote(remote) = self else { return Refusal::UnknownKey.into() };
        match remote.miss(now) {
            Miss::Awaits => Halt::Awaits(remote.wait()),
            Miss::Unknown => Refusal::UnknownKey.into(),
            Miss::Unavailable => Refusal::Unavailable.into(),
        }
    }
}

/// The one key that a token can mean.
///
/// A key of the token's `kid`, else a key without one. A token without `kid` means any key. Where that leaves several the
/// token is refused: trying them one by one would let it choose the work, and `kid` exists.
fn select<'k>(keys: &'k [PublicKey], token: &Token<'_>) -> Result<&'k PublicKey, Refusal> {
    let fitting = keys.iter().filter(|key| key.algorithms.contains(&token.algorithm));
    let named = |key: &&PublicKey| token.kid.is_some() && key.kid == token.kid;
    let unnamed = |key: &&PublicKey| token.kid.is_none() || key.kid.is_none();
    let key = only(fitting.clone().filter(named)).or_else(|| only(fitting.filter(unnamed)));
    key.ok_or(Refusal::UnknownKey)?
}

/// The only one of some keys, if there are any.
fn only<'k>(mut keys: impl Iterator<Item = &'k PublicKey>) -> Option<Result<&'k PublicKey, Refusal>> {
    let key = keys.next()?;
    Some(if keys.next().is_none() { Ok(key) } else { Err(Refusal::AmbiguousKey) })
}

fn media_type(typ: &str) -> String {
    let lower = typ.to_ascii_lowercase();
    lower.strip_prefix("application/").map(str::to_owned).unwrap_or(lower)
}
