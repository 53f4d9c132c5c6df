//! Opaque tokens, about which their issuer is asked (RFC 7662).
//!
//! Each token is asked about once at a time, however many requests bring it, and its answer is believed for `max_age` or
//! until the token's `exp`, whichever comes first: that long a revocation may wait. That a token is not active, or that
//! the issuer could not be asked, is believed for moments, so that a flood of one bad token costs little. While the issuer
//! cannot be asked only those get through whose answer is still believed.
//!
//! Tokens are told apart by their SHA-256; the text of one is held only until it was asked about. What an answer says of
//! the caller is judged like the claims of a token ([`ClaimRules`]), on each use.

mod compile;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use serde_json::Value;

use super::cache::Key;
use super::call::{Answer, Call, Failure, Note, Subject};
use super::endpoint::Endpoint;
use super::jwt::{ClaimRules, Verified, json};
use super::{Context, Halt, Principal, Refusal};

/// The longest answer that is read.
const MAX_ANSWER: usize = 64 << 10;

/// What answers may take in memory.
const CACHE_BYTES: u64 = 4 << 20;

/// The tokens that are remembered for being no good.
const MAX_REFUSED: usize = 1_024;

/// The tokens that are asked about at a time, and those that wait to be.
const MAX_UNDER_WAY: usize = 64;
const MAX_ASKED: usize = 2_048;

/// How long it is believed that a token is no good, and that the issuer cannot be asked.
const BAD_FOR: Duration = Duration::from_secs(10);
const DOWN_FOR: Duration = Duration::from_secs(1);

/// What an answer may take beyond its time before it is held to be lost.
const GRACE: Duration = Duration::from_secs(5);

/// See the module's documentation.
pub(super) struct Introspection {
    name: Rc<str>,
    cluster: Rc<str>,
    endpoint: Endpoint,
    /// The value of `authorization`; `None` without the secret, and then nobody is asked.
    credentials: Option<Rc<str>>,
    issuer: Option<String>,
    pub(super) claims: ClaimRules,
    max_age: Duration,
    timeout: Duration,
    wait: Duration,
    state: RefCell<State>,
}

struct State {
    serial: u64,
    /// Tokens without an answer.
    asked: HashMap<Key, Asked>,
    /// Those about which a call is under way, by its number.
    under_way: HashMap<u64, Key>,
    known: Cache<Key, Rc<Known>, BySize>,
    /// The tokens that are no good, or whose issuer could not be asked: apart, so that they push out no others.
    refused: Cache<Key, (Duration, Refusal)>,
    /// Whether the last call brought nothing.
    is_down: bool,
}

/// A token that is asked about.
enum Asked {
    /// It waits to be, since then, as long as the request that brought it does.
    Waits { token: Box<str>, since: Duration },
    /// The call began then.
    UnderWay { serial: u64, began: Duration },
}

/// What is known of a good token.
struct Known {
    until: Duration,
    verified: Verified,
    size: usize,
}

impl Introspection {
    /// Who brings this token, as far as its issuer has said, or will.
    pub(super) fn judge(&self, key: &Key, token: &str, context: &Context<'_>) -> Result<Rc<Principal>, Halt> {
        let mut state = self.state.borrow_mut();
        if let Some(known) = state.known.get(key).map(Rc::clone).filter(|known| context.moment < known.until) {
            return Ok(known.verified.judge(context)?);
        }
        if let Some((_, refusal)) = state.refused.get(key).filter(|(until, _)| context.moment < *until) {
            return Err((*refusal).into());
        }
        if self.credentials.is_none() {
            return Err(Refusal::Unavailable.into());
        }
        if !state.asked.contains_key(key) {
            if state.asked.len() >= MAX_ASKED {
                return Err(Refusal::Unavailable.into());
            }
            state.asked.insert(*key, Asked::Waits { token: token.into(), since: context.moment });
        }
        Err(Halt::Awaits(self.wait))
    }

    /// The calls to make now.
    pub(super) fn poll(&self, now: Duration) -> Vec<(u64, Call)> {
        let State { serial, asked, under_way, .. } = &mut *self.state.borrow_mut();
        let given_up = |began: &Duration| now > began.saturating_add(self.timeout).saturating_add(GRACE);
        asked.retain(|_, asked| match asked {
            Asked::UnderWay { serial, began } if given_up(began) => {
                under_way.remove(serial);
                false
            }
            // Nobody waits for the answer any more.
            Asked::Waits { since, .. } => now <= since.saturating_add(self.wait),
            Asked::UnderWay { .. } => true,
        });
        let free = MAX_UNDER_WAY.saturating_sub(under_way.len());
        let waiting = asked.iter_mut().filter(|(_, asked)| matches!(asked, Asked::Waits { .. })).take(free);
        let begin = |(key, asked): (&Key, &mut Asked)| {
            *serial = serial.wrapping_add(1);
            let began = Asked::UnderWay { serial: *serial, began: now };
            let Asked::Waits { token, .. } = std::mem::replace(asked, began) else { return None };
            under_way.insert(*serial, *key);
            Some((*serial, self.call(&token)?))
        };
        waiting.filter_map(begin).collect()
    }

    /// Takes the answer to a call, or that there is none.
    pub(super) fn answered(&self, serial: u64, answer: Option<Answer>, now: Duration) -> Option<Note> {
        let mut state = self.state.borrow_mut();
        let key = state.under_way.remove(&serial)?;
        state.asked.remove(&key);
        let read = answer.ok_or(Failure::Unreachable).and_then(Answer::into_body).and_then(|body| self.read(&body));
        let result = match read {
            Ok((Ok(verified), size)) => {
                let until = now.saturating_add(self.max_age);
                state.known.insert(key, Rc::new(Known { until, verified, size }));
                Ok("active")
            }
            Ok((Err(refusal), _)) => {
                state.refused.insert(key, (now.saturating_add(BAD_FOR.min(self.max_age)), refusal));
                Ok(if refusal == Refusal::Inactive { "inactive" } else { "refused" })
            }
            Err(failure) => {
                state.refused.insert(key, (now.saturating_add(DOWN_FOR), Refusal::Unavailable));
                Err(failure)
            }
        };
        let is_news = result.is_err() && !state.is_down;
        state.is_down = result.is_err();
        let provider = Rc::clone(&self.name);
        Some(Note { provider, subject: Subject::Token, result, is_news, faults: Vec::new(), again_in: DOWN_FOR })
    }

    /// What an answer says (RFC 7662 section 2.2).
    fn read(&self, body: &[u8]) -> Result<(Result<Verified, Refusal>, usize), Failure> {
        let answer = json::object(body).ok_or(Failure::Malformed)?;
        let outcome = match answer.get("active") {
            Some(Value::Bool(false)) => Err(Refusal::Inactive),
            Some(Value::Bool(true)) => match (&self.issuer, answer.get("iss")) {
                (Some(issuer), Some(Value::String(own))) if issuer != own => Err(Refusal::UnknownIssuer),
                (Some(_), Some(Value::String(_))) | (None, _) => Verified::from_claims(&self.claims, &self.name, answer),
                (Some(_), Some(_)) => Err(Refusal::MalformedClaim),
                (Some(_), None) => Err(Refusal::MissingClaim),
            },
            _ => return Err(Failure::Malformed),
        };
        Ok((outcome, body.len()))
    }

    /// The question about a token (section 2.1).
    fn call(&self, token: &str) -> Option<Call> {
        let mut head = self.endpoint.head("POST", "application/json");
        head.push(("content-type", "application/x-www-form-urlencoded".into()));
        head.push(("authorization", Rc::clone(self.credentials.as_ref()?)));
        let body = format!("token={}&token_type_hint=access_token", form_encoded(token)).into_bytes();
        let (cluster, timeout) = (Rc::clone(&self.cluster), self.timeout);
        Some(Call { cluster, head, body, timeout, max_body: MAX_ANSWER })
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct BySize;

impl Weighter<Key, Rc<Known>> for BySize {
    fn weight(&self, _: &Key, known: &Rc<Known>) -> u64 {
        // A value takes several times its text.
        u64::try_from(known.size.saturating_mul(4).saturating_add(512)).unwrap_or(u64::MAX)
    }
}

/// A text as a form's value: all but letters and digits by their codes.
fn form_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests;
