//! Tokens that were verified before.
//!
//! An entry is found by SHA-256 over where the token stood and the whole token; the two determine the provider, since
//! no two providers take tokens of one issuer from one header. A hit costs that hash and no signature check, no parsing
//! and no allocation. What depends on the moment is judged on every use: validity, the client certificate, and whether
//! the route lets this provider vouch.
//!
//! Only tokens that were accepted go in, so nobody without one can fill it. Its size is bounded in bytes, and which entry
//! goes is chosen so that tokens seen once do not push out those in use (`quick_cache`). It belongs to one compiled policy
//! and forgets everything when it meets another.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::jwt::Verified;
use super::principal::Principal;

/// The SHA-256 that finds a token.
pub(super) type Key = [u8; 32];

/// Bytes of a token's share beyond its claims: the entry itself and the cache's bookkeeping.
const ENTRY_OVERHEAD: usize = 512;

/// A verified token and whose it is.
pub(super) struct Entry {
    pub(super) provider: usize,
    /// How often the provider had lost a key when it was verified.
    pub(super) epoch: u64,
    pub(super) verified: Verified,
    weight: u64,
}

impl Entry {
    pub(super) fn new(provider: usize, epoch: u64, verified: Verified) -> Self {
        let weight = u64::try_from(footprint(&verified.principal)).unwrap_or(u64::MAX);
        Self { provider, epoch, verified, weight }
    }
}

/// Tokens that were verified before, for one worker.
pub struct TokenCache {
    entries: RefCell<Cache<Key, Rc<Entry>, ByBytes>>,
    owner: RefCell<Rc<()>>,
    hits: Cell<u64>,
    misses: Cell<u64>,
}

impl TokenCache {
    /// A cache of at most this many bytes. None at all with 0.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let typical = ENTRY_OVERHEAD.saturating_mul(4);
        let capacity = u64::try_from(max_bytes).unwrap_or(u64::MAX);
        Self {
            entries: RefCell::new(Cache::with_weighter(max_bytes.div_ceil(typical), capacity, ByBytes)),
            owner: RefCell::default(),
            hits: Cell::default(),
            misses: Cell::default(),
        }
    }

    /// How many lookups found a token, and how many did not.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.hits.get(), self.misses.get())
    }

    /// The bytes that its entries take, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.borrow().weight()
    }

    /// What finds a token that stood in this header. Header names hold no zero byte.
    pub(super) fn key(header: &str, token: &str) -> Key {
        Sha256::new().chain_update(header).chain_update([0]).chain_update(token).finalize().into()
    }

    pub(super) fn find(&self, owner: &Rc<()>, key: &Key) -> Option<Rc<Entry>> {
        if !Rc::ptr_eq(&self.owner.borrow(), owner) {
            self.entries.borrow_mut().clear();
            self.owner.replace(Rc::clone(owner));
        }
        let found = self.entries.borrow().get(key).map(Rc::clone);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.set(counter.get().saturating_add(1));
        found
    }

    /// Keeps a token. `find` was asked for it before, so the cache is the owner's.
    pub(super) fn keep(&self, key: Key, entry: Rc<Entry>) {
        self.entries.borrow_mut().insert(key, entry);
    }

    pub(super) fn forget(&self, key: &Key) {
        self.entries.borrow_mut().remove(key);
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.entries.borrow().len()).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Rc<Entry>> for ByBytes {
    fn weight(&self, _: &Key, entry: &Rc<Entry>) -> u64 {
        entry.weight
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
