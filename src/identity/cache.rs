//! Tokens that were judged before.
//!
//! An entry is found by SHA-256 over where the token stood and the whole token; the two determine the provider, since
//! no two providers take tokens of one issuer from one header. A hit costs that hash and no signature check, no parsing
//! and no allocation. What depends on the moment is judged on every use: validity, the client certificate, and whether
//! the route lets this provider vouch.
//!
//! Two caches, so that who has no token can push out nobody's:
//!
//! - **Accepted** tokens. Its size is bounded in bytes, and which entry goes is chosen so that tokens seen once do not
//!   push out those in use (`quick_cache`, S3-FIFO).
//! - **Refused** tokens, of which only a digest and the reason are kept, for [`REFUSED_SECONDS`]: a flood of one bad
//!   token costs a hash each. Kept is a refusal that nothing but other keys or another policy could change ([`lasts`]).
//!   A token whose key is not known may be one that is being fetched, and one before its time gets its time.
//!
//! It belongs to one compiled policy and forgets everything when it meets another. Each entry names the [`Origin`] that
//! it comes from; when a provider's keys change its origin does, and what it said before counts no more.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use quick_cache::unsync::Cache;
use quick_cache::{Lifecycle, UnitWeighter, Weighter};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Refusal;
use super::jwt::Verified;
use super::principal::Principal;

/// The SHA-256 that finds a token.
pub(super) type Key = [u8; 32];

/// Bytes of a token's share beyond its claims: the entry itself and the cache's bookkeeping.
const ENTRY_OVERHEAD: usize = 512;

/// How many refused tokens are remembered, at about 100 bytes each.
const MAX_REFUSED: usize = 1024;

/// How long a refusal is remembered.
const REFUSED_SECONDS: i64 = 5;

/// Where an entry comes from: a provider, and how often its keys had changed by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) provider: usize,
    pub(super) epoch: u64,
}

/// A verified token and whose it is.
pub(super) struct Entry {
    pub(super) origin: Origin,
    pub(super) verified: Verified,
    weight: u64,
}

impl Entry {
    pub(super) fn new(origin: Origin, verified: Verified) -> Self {
        let weight = u64::try_from(footprint(&verified.principal)).unwrap_or(u64::MAX);
        Self { origin, verified, weight }
    }
}

/// A token that was refused.
#[derive(Clone)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    /// The provider that refused it; none where it was refused before one was chosen.
    pub(super) origin: Option<Origin>,
    /// Seconds since 1970.
    holds: Range<i64>,
}

/// What is known of a token.
pub(super) enum Known {
    Accepted(Rc<Entry>),
    Refused(Refused),
}

/// What became of lookups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Tokens found verified.
    pub hits: u64,
    /// Tokens found refused.
    pub refused: u64,
    /// Tokens not found.
    pub misses: u64,
    /// Verified tokens that had to make room for others, or for which there was none.
    pub evictions: u64,
}

/// Tokens that were judged before, for one worker.
pub struct TokenCache {
    accepted: RefCell<Cache<Key, Rc<Entry>, ByBytes, RandomState, Evictions>>,
    refused: RefCell<Cache<Key, Refused>>,
    keeps_refused: bool,
    owner: RefCell<Rc<()>>,
    hits: Cell<u64>,
    found_refused: Cell<u64>,
    misses: Cell<u64>,
    evictions: Evictions,
}

impl TokenCache {
    /// A cache of verified tokens of at most this many bytes, and of some refused ones. None at all with 0.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let typical = ENTRY_OVERHEAD.saturating_mul(4);
        let capacity = u64::try_from(max_bytes).unwrap_or(u64::MAX);
        let evictions = Evictions::default();
        let (hasher, lifecycle) = (RandomState::new(), evictions.clone());
        let accepted = Cache::with(max_bytes.div_ceil(typical), capacity, ByBytes, hasher, lifecycle);
        let keeps_refused = max_bytes > 0;
        let refused = Cache::with_weighter(MAX_REFUSED, u64::try_from(MAX_REFUSED).unwrap_or(0), UnitWeighter);
        Self {
            accepted: RefCell::new(accepted),
            refused: RefCell::new(refused),
            keeps_refused,
            owner: RefCell::default(),
            hits: Cell::default(),
            found_refused: Cell::default(),
            misses: Cell::default(),
            evictions,
        }
    }

    /// What became of lookups so far.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        let (hits, misses) = (self.hits.get(), self.misses.get());
        CacheCounts { hits, refused: self.found_refused.get(), misses, evictions: self.evictions.0.get() }
    }

    /// The bytes that verified tokens take, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.accepted.borrow().weight()
    }

    /// How many refused tokens are remembered.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused.borrow().len()
    }

    /// What finds a token that stood in this header. Header names hold no zero byte.
    pub(super) fn key(header: &str, token: &str) -> Key {
        Sha256::new().chain_update(header).chain_update([0]).chain_update(token).finalize().into()
    }

    /// What is known of a token. What comes from an origin that is no longer current is forgotten.
    pub(super) fn find(&self, owner: &Rc<()>, key: &Key, now: i64, is_current: impl Fn(Origin) -> bool) -> Option<Known> {
        if !Rc::ptr_eq(&self.owner.borrow(), owner) {
            self.accepted.borrow_mut().clear();
            self.refused.borrow_mut().clear();
            self.owner.replace(Rc::clone(owner));
        }
        let found = self.accepted.borrow().get(key).map(Rc::clone);
        if let Some(entry) = found {
            if is_current(entry.origin) {
                count(&self.hits);
                return Some(Known::Accepted(entry));
            }
            self.forget(key);
        } else if let Some(refused) = self.find_refused(key) {
            if refused.holds.contains(&now) && refused.origin.is_none_or(is_current) {
                count(&self.found_refused);
                return Some(Known::Refused(refused));
            }
            self.refused.borrow_mut().remove(key);
        }
        count(&self.misses);
        None
    }

    fn find_refused(&self, key: &Key) -> Option<Refused> {
        let refused = self.refused.borrow();
        // Most callers have a good token: where nothing is kept nothing is looked for.
        if refused.is_empty() { None } else { refused.get(key).cloned() }
    }

    /// Keeps a token that was accepted. `find` was asked for it before, so the cache is the owner's.
    pub(super) fn keep(&self, key: Key, entry: Rc<Entry>) {
        self.accepted.borrow_mut().insert(key, entry);
    }

    /// Remembers for a while that a token was refused, where that lasts.
    pub(super) fn remember(&self, key: Key, refusal: Refusal, origin: Option<Origin>, now: i64) {
        if self.keeps_refused && lasts(refusal) {
            let holds = now..now.saturating_add(REFUSED_SECONDS);
            self.refused.borrow_mut().insert(key, Refused { refusal, origin, holds });
        }
    }

    pub(super) fn forget(&self, key: &Key) {
        self.accepted.borrow_mut().remove(key);
    }
}

/// Whether a token that was refused so will be again, as long as policy and keys stay: not for time, for the
/// connection, or for a key that may yet come.
fn lasts(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::MalformedToken
            | Refusal::HeaderParameter
            | Refusal::Algorithm
            | Refusal::TokenType
            | Refusal::UnknownIssuer
            | Refusal::BadSignature
            | Refusal::MissingClaim
            | Refusal::MalformedClaim
            | Refusal::Audience
            | Refusal::Lifetime
            | Refusal::UnsupportedBinding
    )
}

fn count(counter: &Cell<u64>) {
    counter.set(counter.get().saturating_add(1));
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.accepted.borrow().len()).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Rc<Entry>> for ByBytes {
    fn weight(&self, _: &Key, entry: &Rc<Entry>) -> u64 {
        entry.weight
    }
}

/// Counts what is evicted.
#[derive(Clone, Default)]
struct Evictions(Rc<Cell<u64>>);

impl Lifecycle<Key, Rc<Entry>> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Key, _: Rc<Entry>) {
        count(&self.0);
    }
}

/// The bytes that a caller takes, about.
fn footprint(principal: &Principal) -> usize {
    let Principal { providers: _, client, key_id: _, subject, patient, roles, claims } = principal;
    let texts = [client, subject, patient].into_iter().flatten().chain(roles);
    let texts: usize = texts.map(|text| text.len().saturating_add(32)).sum();
    ENTRY_OVERHEAD.saturating_add(texts).saturating_add(map_footprint(claims))
}

fn map_footprint(map: &Map<String, Value>) -> usize {
    let member = |(key, value): (&String, &Value)| key.len().saturating_add(48).saturating_add(value_footprint(value));
    map.iter().map(member).fold(0, usize::saturating_add)
}

fn value_footprint(value: &Value) -> usize {
    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(value_footprint).fold(0, usize::saturating_add),
        Value::Object(map) => map_footprint(map).saturating_add(64),
    };
    inside.saturating_add(size_of::<Value>())
}
