//! API keys: long random texts that a client sends as they are, known here by their SHA-256 alone.
//!
//! A key has 256 random bits (`carewarden keygen`), so its hash needs no salt and no slow function, and who reads the
//! policy cannot make the key. The presented key is hashed first; everything after works on the hash. The search looks
//! at the first eight bytes only, the comparison that decides is constant-time over all of it: a caller who measures
//! learns at most a prefix of the hash of a key that exists, from which no key follows. The search is by halving, so
//! ten thousand keys cost what ten cost.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::{self, Write};
use std::rc::Rc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::principal::Principal;
use super::{Context, Refusal};
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::label;
use crate::policy::model;

/// The API keys of one provider.
pub(super) struct ApiKeys {
    /// In the order of their hashes.
    keys: Vec<Key>,
    accept_roles: Option<Vec<String>>,
    /// The names of keys used, and when, that nobody has asked for yet: at most one for each key.
    uses: RefCell<Vec<(Rc<str>, i64)>>,
}

struct Key {
    sha256: [u8; 32],
    not_before: i64,
    not_after: i64,
    /// The routes where it may be used; all when absent.
    routes: Option<Vec<String>>,
    principal: Rc<Principal>,
    /// When its use was noted last, in seconds since 1970.
    noted: Cell<i64>,
}

/// How many seconds pass before another use of a key is noted.
const NOTE_EVERY: u64 = 5;

impl ApiKeys {
    /// Whose key this is.
    pub(super) fn verify(&self, key: &str, context: &Context<'_>) -> Result<Rc<Principal>, Refusal> {
        let Context { now, route, .. } = *context;
        let key = self.find(key).ok_or(Refusal::UnknownApiKey)?;
        if now < key.not_before {
            Err(Refusal::ApiKeyNotYetValid)
        } else if now >= key.not_after {
            Err(Refusal::ApiKeyExpired)
        } else if key.routes.as_ref().is_some_and(|routes| !routes.iter().any(|own| own == route)) {
            Err(Refusal::ApiKeyRoute)
        } else {
            self.note(key, now);
            Ok(Rc::clone(&key.principal))
        }
    }

    fn find(&self, key: &str) -> Option<&Key> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let first = self.keys.partition_point(|key| prefix(&key.sha256) < prefix(&hash));
        let same_prefix = self.keys.iter().skip(first).take_while(|key| prefix(&key.sha256) == prefix(&hash));
        same_prefix.fold(None, |found, key| if key.sha256.ct_eq(&hash).into() { Some(key) } else { found })
    }

    /// Which of the policy's keys this is, by its name. Not part of the module for Envoy.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn describe(&self, key: &str) -> String {
        let Some(Key { principal, .. }) = self.find(key) else { return "none that the policy knows".to_owned() };
        let (id, client) = (principal.key_id.as_deref(), principal.client.as_deref());
        format!("`{}` of `{}`", id.unwrap_or_default(), client.unwrap_or_default())
    }

    fn note(&self, key: &Key, now: i64) {
        let mut uses = self.uses.borrow_mut();
        if key.noted.get().abs_diff(now) >= NOTE_EVERY && uses.len() < self.keys.len() {
            key.noted.set(now);
            uses.extend(key.principal.key_id.iter().map(|id| (Rc::clone(id), now)));
        }
    }

    /// The keys used since this was asked last, with their provider's name and when it was.
    pub(super) fn take_uses(&self, provider: &Rc<str>) -> Vec<(Rc<str>, Rc<str>, i64)> {
        self.uses.take().into_iter().map(|(key, at)| (Rc::clone(provider), key, at)).collect()
    }

    /// Whether the provider may confer this role.
    pub(super) fn confers(&self, role: &str) -> bool {
        accepts(self.accept_roles.as_deref(), role)
    }

    /// Compiles a provider that stands at `at`.
    pub(super) fn compile(name: &Rc<str>, model: &model::ApiKeys, at: &Node, report: &mut Report) -> Self {
        let model::ApiKeys { header: _, prefix: _, query: _, cookie: _, keys, accept_roles, forward: _ } = model;
        let at = at.key("keys");
        if keys.is_empty() {
            report
                .error(at, Code::InvalidValue, "no key, so every request would be refused")
                .help("`carewarden keygen` makes one");
        }
        let mut hashes = HashMap::new();
        let mut ids = HashMap::new();
        let mut compiled = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let at = at.item(index);
            check_key(key, accept_roles.as_deref(), at, report);
            key.id.iter().for_each(|id| label::check(id, at.key("id"), report));
            let id = key.id.clone().unwrap_or_else(|| short_hash(&key.sha256.0));
            if let Some(other) = hashes.insert(key.sha256, &key.client) {
                let message = format!("the key is already that of `{other}`");
                report.error(at.key("sha256"), Code::DuplicateName, message).help("give each client keys of its own");
            } else if let Some(other) = ids.insert(id.clone(), &key.client) {
                let message = format!("a key of `{other}` has the id `{id}` already");
                report.error(at.key("id"), Code::DuplicateName, message).help("records tell keys apart by `id`");
            }
            compiled.push(Key {
                sha256: key.sha256.0,
                not_before: key.not_before.map_or(i64::MIN, |moment| moment.0),
                not_after: key.not_after.map_or(i64::MAX, |moment| moment.0),
                routes: key.routes.clone(),
                principal: Rc::new(principal(name, key, &id, accept_roles.as_deref())),
                noted: Cell::new(i64::MIN),
            });
        }
        compiled.sort_unstable_by_key(|key| key.sha256);
        Self { keys: compiled, accept_roles: accept_roles.clone(), uses: RefCell::default() }
    }
}

/// Hashes say nothing to a reader.
impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

fn check_key(key: &model::ApiKey, accept_roles: Option<&[String]>, at: &Node, report: &mut Report) {
    if key.client.is_empty() {
        report.error(at.key("client"), Code::InvalidValue, "the client has no name").help("name whose key it is");
    }
    if key.sha256.0 == <[u8; 32]>::from(Sha256::digest(b"")) {
        report
            .error(at.key("sha256"), Code::WeakSecret, "this is the hash of an empty key")
            .help("`carewarden keygen` makes a fresh key and its hash");
    }
    if let (Some(from), Some(until)) = (key.not_before, key.not_after)
        && from >= until
    {
        report
            .error(at.key("not_after"), Code::InvalidValue, "the key ends before it begins")
            .help("`not_after` has to be later than `not_before`");
    }
    for (index, role) in key.roles.iter().enumerate().filter(|(_, role)| !accepts(accept_roles, role)) {
        report
            .warning(
                at.key("roles").item(index),
                Code::Risky,
                format!("the role `{role}` is ignored: `accept_roles` lacks it"),
            )
            .help("remove it here or add it there");
    }
}

fn principal(name: &Rc<str>, key: &model::ApiKey, id: &str, accept_roles: Option<&[String]>) -> Principal {
    let mut principal = Principal {
        providers: vec![Rc::clone(name)],
        client: Some(key.client.as_str().into()),
        key_id: Some(id.into()),
        ..Principal::default()
    };
    let conferred = key.roles.iter().filter(|role| accepts(accept_roles, role));
    principal.add_roles(conferred.map(|role| role.as_str().into()));
    principal
}

fn accepts(accept_roles: Option<&[String]>, role: &str) -> bool {
    accept_roles.is_none_or(|accepted| accepted.iter().any(|one| one == role))
}

fn prefix(hash: &[u8; 32]) -> Option<&[u8; 8]> {
    hash.first_chunk()
}

/// The first eight digits of a hash.
fn short_hash(hash: &[u8; 32]) -> String {
    hash.iter().take(4).fold(String::new(), |mut digits, byte| {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{NoCertificate, NoHost, TokenCache};

    fn keys(hashes: impl IntoIterator<Item = (String, [u8; 32])>) -> ApiKeys {
        let key = |(client, sha256): (String, [u8; 32])| model::ApiKey {
            client,
            id: None,
            sha256: model::Sha256Hex(sha256),
            roles: Vec::new(),
            routes: None,
            not_before: None,
            not_after: None,
            owner: None,
        };
        let keys = hashes.into_iter().map(key).collect();
        let header = Some("x-api-key".to_owned());
        let (prefix, query, cookie, accept_roles) = (None, None, None, None);
        let model = model::ApiKeys { header, prefix, query, cookie, keys, accept_roles, forward: false };
        let mut report = Report::new("{}");
        let at = Node::parse("{}", &mut report).unwrap();
        let compiled = ApiKeys::compile(&"keys".into(), &model, &at, &mut report);
        assert!(report.is_empty(), "{:?}", report.into_vec());
        compiled
    }

    fn verify(keys: &ApiKeys, key: &str, now: i64) -> Result<Rc<Principal>, Refusal> {
        let (cache, certificate) = (TokenCache::new(0), &NoCertificate);
        let certificate_sha256 = &|| None;
        let moment = std::time::Duration::ZERO;
        keys.verify(
            key,
            &Context { now, moment, verifier: &NoHost, cache: &cache, certificate_sha256, certificate, route: "r" },
        )
    }

    fn client(keys: &ApiKeys, key: &str) -> Option<String> {
        verify(keys, key, 0).ok().and_then(|principal| principal.client.as_deref().map(str::to_owned))
    }

    #[test]
    fn each_of_many_keys_is_its_clients_and_no_others() {
        let many =
            keys((0..2_000).map(|number| (format!("client {number}"), Sha256::digest(format!("key {number}")).into())));
        for number in 0..2_000 {
            assert_eq!(client(&many, &format!("key {number}")), Some(format!("client {number}")));
        }
        assert!((2_000..4_000).all(|number| client(&many, &format!("key {number}")).is_none()));
    }

    #[test]
    fn the_whole_hash_decides() {
        let right: [u8; 32] = Sha256::digest("key").into();
        let all_but = |byte: usize| {
            let mut hash = right;
            hash[byte] ^= 1;
            (format!("byte {byte}"), hash)
        };
        for byte in 0..32 {
            assert_eq!(client(&keys([all_but(byte)]), "key"), None, "byte {byte}");
        }
        assert_eq!(client(&keys([("right".to_owned(), right)]), "key"), Some("right".to_owned()));
    }

    #[test]
    fn a_key_is_found_among_those_of_the_same_prefix() {
        let right: [u8; 32] = Sha256::digest("key").into();
        let of = |sha256: [u8; 32], name: &str| Key {
            sha256,
            not_before: i64::MIN,
            not_after: i64::MAX,
            routes: None,
            noted: Cell::new(0),
            principal: Rc::new(Principal { client: Some(name.into()), ..Principal::default() }),
        };
        let (mut before, mut after) = (right, right);
        before[8..].fill(0);
        after[8..].fill(255);
        let all = vec![of(before, "before"), of(right, "right"), of(after, "after")];
        let keys = ApiKeys { keys: all, accept_roles: None, uses: RefCell::default() };
        assert_eq!(client(&keys, "key"), Some("right".to_owned()));
    }

    #[test]
    fn a_use_is_told_once_and_again_after_a_while() {
        let keys = keys([("a".to_owned(), Sha256::digest("a").into()), ("b".to_owned(), Sha256::digest("b").into())]);
        let uses = |keys: &ApiKeys| -> Vec<(String, i64)> {
            keys.take_uses(&"p".into()).iter().map(|(_, key, at)| (key.to_string(), *at)).collect()
        };
        let id = |key: &str| short_hash(&Sha256::digest(key).into());
        for now in [100, 101, 104] {
            verify(&keys, "a", now).unwrap();
            verify(&keys, "none", now).unwrap_err();
        }
        assert_eq!(uses(&keys), [(id("a"), 100)]);
        assert_eq!(uses(&keys), []);
        verify(&keys, "b", 104).unwrap();
        verify(&keys, "a", 105).unwrap();
        assert_eq!(uses(&keys), [(id("b"), 104), (id("a"), 105)]);
        // A clock that was set back.
        verify(&keys, "a", 50).unwrap();
        assert_eq!(uses(&keys), [(id("a"), 50)]);
        (0..100).for_each(|now| drop(verify(&keys, "a", now * 10)));
        assert_eq!(uses(&keys).len(), 2, "bounded by the number of keys");
    }
}
