//! Keys that an issuer publishes, fetched through a named cluster and kept up to date ([`schedule`]).
//!
//! A set is taken whole or not at all, but for single keys in it that cannot be used: those are left out and told of. An
//! answer that is late, long, cut, no JSON, another issuer's or without a usable key changes nothing: the keys at hand
//! are used on until they are too old, and no others are. A provider has its own keys, calls and failures, so one bad
//! server is one bad provider.
//!
//! With `discovery` the address of the keys comes from the issuer's discovery document, which is asked for before each
//! fetch ([`discovery`]). What one worker fetched the others take from shared data ([`stored`]) before they would fetch
//! themselves; so does a module that was just loaded again.

mod discovery;
mod schedule;
mod stored;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::json;
use super::jwk::{self, PublicKey, ReadSet};
use crate::identity::call::{Answer, Call, Failure, SharedData};
use crate::identity::endpoint::Endpoint;
use crate::policy::model::Algorithm;

pub(super) use discovery::document_of;
use schedule::Schedule;
pub(super) use schedule::{Bounds, Miss};
use stored::{Sealing, Stored};

/// What a moment may lie ahead of ours and still be taken for one of ours.
const CLOCKS_APART: Duration = Duration::from_secs(10);

/// What a policy says of the keys of an issuer.
pub(super) struct Settings {
    pub(super) cluster: Rc<str>,
    /// The issuer, where its discovery document says where the keys are.
    pub(super) discovers: Option<String>,
    /// The address of the keys, or of that document.
    pub(super) endpoint: Endpoint,
    pub(super) accepted: Vec<Algorithm>,
    pub(super) bounds: Bounds,
    /// How long a request waits for keys.
    pub(super) wait: Duration,
    pub(super) max_size: usize,
    pub(super) max_keys: usize,
    /// What shared data is authenticated with.
    pub(super) shared_key: Option<Vec<u8>>,
}

/// See the module's documentation.
pub(super) struct RemoteKeys {
    settings: Settings,
    /// The name of the entry in shared data.
    name: String,
    keys: RefCell<Rc<Vec<PublicKey>>>,
    state: RefCell<State>,
}

struct State {
    schedule: Schedule,
    serial: u64,
    /// The call under way asks where the keys are.
    asks_where: bool,
}

/// What follows from the time.
pub(in crate::identity) struct Polled {
    /// The call to make.
    pub(in crate::identity) call: Option<(u64, Call)>,
    /// Whether there are other keys than before: what those verified is not verified any more.
    pub(in crate::identity) is_changed: bool,
    /// Whether the issuer was asked meanwhile, here or elsewhere, so that requests that wait may be judged.
    pub(in crate::identity) is_news: bool,
}

/// What became of an answer.
pub(super) struct Arrival {
    /// How it went; `None` where another call follows.
    pub(super) result: Option<Result<Vec<String>, Failure>>,
    /// The call that follows.
    pub(super) call: Option<(u64, Call)>,
    /// Whether there are other keys than before: what those verified is not verified any more.
    pub(super) is_changed: bool,
}

impl RemoteKeys {
    pub(super) fn new(settings: Settings) -> Self {
        let state = State { schedule: Schedule::new(settings.bounds), serial: 0, asks_where: false };
        let name = name(&settings);
        let (keys, state) = (RefCell::default(), RefCell::new(state));
        Self { settings, name, keys, state }
    }

    /// The keys at hand.
    pub(super) fn keys(&self) -> Rc<Vec<PublicKey>> {
        Rc::clone(&self.keys.borrow())
    }

    /// How long ago the keys at hand were fetched.
    pub(super) fn age(&self, now: Duration) -> Option<Duration> {
        self.state.borrow().schedule.fetched().map(|fetched| now.saturating_sub(fetched))
    }

    /// When the keys are fetched next.
    pub(super) fn until_next(&self, now: Duration) -> Duration {
        self.state.borrow().schedule.until_next(now)
    }

    /// How long a request waits for keys.
    pub(super) fn wait(&self) -> Duration {
        self.settings.wait
    }

    /// A request came whose key is not there.
    pub(super) fn miss(&self, now: Duration) -> Miss {
        self.state.borrow_mut().schedule.miss(now, self.settings.wait)
    }

    /// Does what is due: forgets keys that are too old, takes over what another worker fetched, or says what to ask.
    pub(super) fn poll(&self, now: Duration, shared: &dyn SharedData) -> Polled {
        let mut state = self.state.borrow_mut();
        let is_changed = state.schedule.expire(now) && self.replace(Vec::new());
        let mut polled = Polled { call: None, is_changed, is_news: is_changed };
        if state.schedule.is_due(now) {
            let is_wanted = state.schedule.is_wanted();
            if let Some(keys) = self.take_over(&mut state, now, shared) {
                polled.is_changed |= self.replace(keys);
                polled.is_news = true;
                // What another worker fetched before the request came may lack its key as well.
                if is_wanted {
                    state.schedule.want(now);
                }
            }
        }
        if state.schedule.is_due(now) {
            state.schedule.begin(now);
            polled.call = Some(self.call(&mut state, &self.settings.endpoint, self.settings.discovers.is_some()));
        }
        polled
    }

    /// Takes an answer, or that there is none. `None` is returned for an answer that nobody waits for.
    pub(super) fn answered(
        &self,
        serial: u64,
        answer: Option<Answer>,
        now: Duration,
        shared: &dyn SharedData,
    ) -> Option<Arrival> {
        let mut state = self.state.borrow_mut();
        if state.serial != serial {
            return None;
        }
        let max_age = answer.as_ref().and_then(|answer| discovery::max_age(&answer.head));
        let body = answer.ok_or(Failure::Unreachable).and_then(Answer::into_body);
        if let (true, Some(issuer)) = (state.asks_where, &self.settings.discovers) {
            match body.and_then(|body| discovery::keys_endpoint(&body, issuer, &self.settings.endpoint)) {
                Ok(endpoint) => {
                    state.schedule.begin(now);
                    let call = Some(self.call(&mut state, &endpoint, false));
                    return Some(Arrival { result: None, call, is_changed: false });
                }
                Err(failure) => return Some(self.failed(&mut state, failure, now)),
            }
        }
        let read = body.and_then(|body| self.read(&body).map(|set| (body, set)));
        let (body, ReadSet { keys, faults }) = match read {
            Ok(read) => read,
            Err(failure) => return Some(self.failed(&mut state, failure, now)),
        };
        let is_changed = self.replace(keys);
        // An answer to this call that comes again is nobody's.
        state.serial = state.serial.wrapping_add(1);
        state.schedule.succeed(now, max_age, chance(now, &self.name));
        let sealing = Sealing { name: &self.name, key: self.settings.shared_key.as_deref() };
        if let Some(entry) = sealing.seal(&Stored { fetched: now, max_age, set: &body }) {
            shared.set(&self.name, &entry);
        }
        let told = faults
            .iter()
            .filter(|(_, fault)| !fault.is_ordinary())
            .map(|(index, fault)| format!("key {index}: {fault}"))
            .collect();
        Some(Arrival { result: Some(Ok(told)), call: None, is_changed })
    }

    fn failed(&self, state: &mut State, failure: Failure, now: Duration) -> Arrival {
        state.serial = state.serial.wrapping_add(1);
        state.schedule.fail(now, chance(now, &self.name));
        Arrival { result: Some(Err(failure)), call: None, is_changed: false }
    }

    fn call(&self, state: &mut State, endpoint: &Endpoint, asks_where: bool) -> (u64, Call) {
        state.serial = state.serial.wrapping_add(1);
        state.asks_where = asks_where;
        let Settings { cluster, bounds, max_size, .. } = &self.settings;
        let call = Call {
            cluster: Rc::clone(cluster),
            head: endpoint.head("GET", "application/json, application/jwk-set+json"),
            body: Vec::new(),
            timeout: bounds.timeout,
            max_body: *max_size,
        };
        (state.serial, call)
    }

    /// What another worker fetched, where it is newer than what is here, and of use.
    fn take_over(&self, state: &mut State, now: Duration, shared: &dyn SharedData) -> Option<Vec<PublicKey>> {
        let entry = shared.get(&self.name)?;
        let sealing = Sealing { name: &self.name, key: self.settings.shared_key.as_deref() };
        let Stored { fetched, max_age, set } = sealing.open(&entry)?;
        let is_newer = state.schedule.fetched().is_none_or(|own| fetched > own);
        let is_ours = fetched <= now.saturating_add(CLOCKS_APART) && set.len() <= self.settings.max_size;
        if !is_newer || !is_ours || now >= state.schedule.last_use(fetched, max_age) {
            return None;
        }
        let ReadSet { keys, .. } = self.read(set).ok()?;
        state.schedule.succeed(fetched, max_age, chance(now, &self.name));
        Some(keys)
    }

    fn read(&self, set: &[u8]) -> Result<ReadSet, Failure> {
        let set = Value::Object(json::object(set).ok_or(Failure::Malformed)?);
        let count = set.get("keys").and_then(Value::as_array).ok_or(Failure::Malformed)?.len();
        if count > self.settings.max_keys {
            return Err(Failure::TooManyKeys);
        }
        let read = jwk::read_set(&set, &self.settings.accepted).map_err(|_| Failure::Malformed)?;
        if read.keys.is_empty() { Err(Failure::NoKeys) } else { Ok(read) }
    }

    /// Has other keys. It says whether they are other ones.
    fn replace(&self, keys: Vec<PublicKey>) -> bool {
        let is_changed = {
            let before = self.keys.borrow();
            before.len() != keys.len() || !keys.iter().zip(before.iter()).all(|(key, other)| key.is_same(other))
        };
        self.keys.replace(Rc::new(keys));
        is_changed
    }
}

/// The cluster and the keys that are there; never what authenticates shared data.
impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.borrow().len();
        f.debug_struct("RemoteKeys").field("cluster", &self.settings.cluster).field("keys", &keys).finish_non_exhaustive()
    }
}

/// A name that only providers of the same settings have.
fn name(settings: &Settings) -> String {
    let Settings { cluster, discovers, endpoint, accepted, bounds, wait: _, max_size, max_keys, shared_key: _ } = settings;
    let Bounds { refresh, min_refresh, max_stale, timeout: _, min_interval: _ } = bounds;
    let meaning = (cluster, discovers, endpoint, accepted, refresh, min_refresh, max_stale, max_size, max_keys);
    let hash = Sha256::digest(format!("{meaning:?}"));
    hash.iter().fold("carewarden.jwks.".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

/// A number below one that workers do not share: they ask at moments that are nanoseconds apart.
fn chance(now: Duration, name: &str) -> f64 {
    let hash = Sha256::new().chain_update(now.as_nanos().to_le_bytes()).chain_update(name).finalize();
    let first = hash.first_chunk().copied().map_or(0, u16::from_le_bytes);
    f64::from(first) / 65_536.0
}

#[cfg(test)]
mod tests;
