//! The record of an exchange: who asked for what, what was decided and why, and what left.
//!
//! A record holds names from the policy, fixed words, numbers, keyed hashes and the ids of request and trace (digits of a
//! fixed number), and nothing else that a client or an upstream sent: no path, no query, no header, no body, no subject in clear. What identifies a person is an
//! HMAC-SHA-256 under the policy's audit key, so that who holds the key can ask "who saw this record"; without a key it
//! is absent.
//!
//! Where the policy asks for it, what happened is also told in clear to an audit repository, and to nobody else: as an
//! [`event`] of FHIR, which [`delivery`] brings there from its [`queue`].

mod balp;
pub mod delivery;
pub mod event;
mod line;
pub mod queue;

use std::rc::Rc;

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

/// What was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Let through.
    Allow,
    /// Refused, or in shadow mode: would have been.
    #[default]
    Deny,
}

/// The record of one exchange. Absent fields are left out of its JSON.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    /// When the request came: milliseconds since 1970.
    pub time: u64,
    /// Counts the exchanges of one worker since its module started, so that a missing record shows.
    pub sequence: u64,
    /// Envoy's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The trace that the request is part of: 32 digits of its `traceparent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The policy's name.
    pub policy: Rc<str>,
    /// SHA-256 of the policy's text.
    pub policy_sha256: Rc<str>,
    /// The version of this module.
    pub version: &'static str,
    /// Whether the decision was recorded only.
    pub shadow: bool,
    /// The route's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Rc<str>>,
    /// What was decided.
    pub decision: Decision,
    /// Why; `allowed` where nothing was refused.
    pub reason: &'static str,
    /// The rule of the route that decided, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// Who vouched for the caller.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Rc<str>>,
    /// The client, where it is one that the policy names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Rc<str>>,
    /// The API key's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<Rc<str>>,
    /// Keyed hash of provider and subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Keyed hash of the resource asked for: `Type/id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Keyed hash of the patient in the token's context: `Patient/id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// The method, where it is a usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    /// The FHIR interaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interaction: Option<&'static str>,
    /// The FHIR resource type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<&'static str>,
    /// The status that the client got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The redaction profile applied to the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Rc<str>>,
    /// How many of its values were redacted.
    #[serde(skip_serializing_if = "is_zero")]
    pub redacted: u64,
    /// The redaction profile applied to the request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_profile: Option<Rc<str>>,
    /// How many of its values were redacted.
    #[serde(skip_serializing_if = "is_zero")]
    pub request_redacted: u64,
    /// What of the request does not fit what is described: a rule and a place, made of names that the policy, a schema or
    /// R4 have. On a route that only reports, of a request that was let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violation: Option<String>,
    /// The inspection rules that held for the request, by their ids: it was refused for them, or only recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inspected: Vec<Rc<str>>,
    /// Whether a body was let through unseen, by its media type.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unredacted_media_type: bool,
    /// Whether the answer was broken off after its beginning had left.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub aborted: bool,
    /// From the request's head to the end, in milliseconds.
    pub latency_ms: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Record {
    /// The record as one line of JSON.
    #[must_use]
    pub fn to_line(&self) -> String {
        line::write(self)
    }
}

/// Hashes what identifies a person.
#[derive(Clone)]
pub struct Pseudonyms(Hmac<Sha256>);

impl Pseudonyms {
    /// Hashes with this key.
    #[must_use]
    pub fn new(key: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(key).ok().map(Self)
    }

    /// The first 128 bits of the HMAC of the parts, in hexadecimal. `domain` keeps kinds of identifiers apart.
    #[must_use]
    pub fn hash(&self, domain: &str, parts: &[&[u8]]) -> String {
        let mut mac = self.0.clone();
        for part in std::iter::once(&domain.as_bytes()).chain(parts) {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
        let mut text = [0; 32];
        for (digits, byte) in text.chunks_exact_mut(2).zip(&digest) {
            digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        // Digits are UTF-8.
        String::from_utf8(text.to_vec()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_key_domain_and_where_parts_end() {
        let own = Pseudonyms::new(b"key").unwrap();
        let hash = own.hash("subject", &[b"ab", b"c"]);
        assert_eq!(hash.len(), 32);
        assert_eq!(hash, own.hash("subject", &[b"ab", b"c"]));
        assert_ne!(hash, own.hash("subject", &[b"a", b"bc"]));
        assert_ne!(hash, own.hash("resource", &[b"ab", b"c"]));
        assert_ne!(hash, Pseudonyms::new(b"other").unwrap().hash("subject", &[b"ab", b"c"]));
    }

    #[test]
    fn what_is_absent_is_left_out() {
        let line = Record { reason: "allowed", ..Record::default() }.to_line();
        assert!(!line.contains("subject") && !line.contains("aborted") && line.contains(r#""decision":"deny""#), "{line}");
    }
}
