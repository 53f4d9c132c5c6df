//! The keys of a file, for `carewarden token`: whether a signature is one of theirs, whatever it signs.
//!
//! The file is the operator's own, so it may hold what a policy may not: shared secrets (`oct`) and private keys, of which
//! the public half is used. All else is as it is for an issuer's set, and so is the choice of the key. Of keys that share a
//! `kid` none is used, and no shared secret is that stands beside public keys: either way somebody was mistaken about what
//! the set is.

use serde_json::{Value, json};

use super::explain::{explain_public, form};
use super::jwk::{self, PublicKey, ReadSet};
use super::signature::{self, VerifyingKey};
use super::token::{Token, decode};
use crate::identity::explain::{Explanation, Finding, SignatureFound, Step};
use crate::identity::{Refusal, SignatureVerifier};
use crate::policy::model::Algorithm;

const ALL: [Algorithm; 12] = {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
    [HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA]
};

/// The members of a JWK that say its private half (RFC 7518 section 6.3.2, RFC 8037 section 2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// The keys of a file.
#[derive(Debug)]
pub struct KeyFile {
    keys: Vec<PublicKey>,
    faults: Vec<(usize, String)>,
}

/// Why a file holds no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no JWK (an object with `kty`) and no JWK Set (an object with an array `keys`)")]
pub struct KeyFileError;

impl KeyFile {
    /// Reads a JWK or a JWK Set.
    pub fn read(value: &Value) -> Result<Self, KeyFileError> {
        let entries = match (value.get("keys"), value.get("kty")) {
            (Some(Value::Array(entries)), _) => entries.as_slice(),
            (None, Some(_)) => std::slice::from_ref(value),
            _ => return Err(KeyFileError),
        };
        let symmetric = |entry: &Value| entry.get("kty").and_then(Value::as_str) == Some("oct");
        let mixed = !entries.iter().all(symmetric);
        let mut file = Self { keys: Vec::new(), faults: Vec::new() };
        for (index, entry) in entries.iter().enumerate() {
            let kid = entry.get("kid");
            let repeated = kid.is_some() && entries.iter().filter(|other| other.get("kid") == kid).count() > 1;
            match read(entry) {
                Ok(_) if symmetric(entry) && mixed => file.faults.push((index, jwk::Fault::Symmetric.to_string())),
                Ok(_) if repeated => file.faults.push((index, jwk::Fault::RepeatedKid.to_string())),
                Ok(key) => file.keys.push(key),
                Err(fault) => file.faults.push((index, fault)),
            }
        }
        Ok(file)
    }

    /// The position of each key that cannot be used, and why.
    #[must_use]
    pub fn faults(&self) -> &[(usize, String)] {
        &self.faults
    }

    /// Explains whether a token's signature is that of one of the keys. Its payload may be anything.
    #[must_use]
    pub fn explain(&self, text: &str, host: &dyn SignatureVerifier) -> Explanation {
        let token = Token::with_any_payload(text);
        let mut explanation = Explanation {
            header: form::read_leniently(text).0,
            payload: payload(text),
            provider: None,
            key: None,
            signature: SignatureFound::NotChecked,
            steps: vec![match &token {
                Ok(_) => Step::passed("form", "three parts in base64url, and the header is read"),
                Err(refusal) => form::step(text, Err(*refusal)),
            }],
            verdict: Ok(None),
        };
        if let Ok(token) = &token {
            explain_public(&self.keys, token, host, &mut explanation);
        }
        let refusal = |step: &Step| if let Finding::Failed(refusal) = step.finding { Some(refusal) } else { None };
        explanation.verdict = match (explanation.steps.iter().find_map(refusal), explanation.signature) {
            (Some(refusal), _) => Err(refusal),
            (None, SignatureFound::Good) => Ok(None),
            (None, _) => Err(Refusal::BadSignature),
        };
        explanation
    }
}

fn read(entry: &Value) -> Result<PublicKey, String> {
    if entry.get("kty").and_then(Value::as_str) == Some("oct") {
        return secret(entry).map_err(|fault| fault.to_string());
    }
    let mut entry = entry.clone();
    if let Value::Object(members) = &mut entry {
        members.retain(|name, _| !PRIVATE.contains(&name.as_str()));
    }
    let ReadSet { mut keys, faults } =
        jwk::read_set(&json!({ "keys": [entry] }), &ALL).map_err(|fault| fault.to_string())?;
    let fault = || faults.first().map_or(jwk::Fault::NotAKey, |(_, fault)| *fault).to_string();
    keys.pop().ok_or_else(fault)
}

/// A shared secret (RFC 7518 section 6.4). It is at least as long as the hash (section 3.2).
fn secret(entry: &Value) -> Result<PublicKey, &'static str> {
    const MALFORMED: &str = "a member of the key is missing or not in its form";
    let text = |name: &str| entry.get(name).map(|value| value.as_str().ok_or(MALFORMED)).transpose();
    let verifies = |operation: &Value| operation == "verify";
    let forbidden = match entry.get("key_ops") {
        Some(Value::Array(operations)) => !operations.iter().any(verifies),
        Some(_) => return Err(MALFORMED),
        None => false,
    };
    if forbidden || text("use")?.is_some_and(|purpose| purpose != "sig") {
        return Err("the key is not for signatures and is ignored");
    }
    let bytes = text("k")?.and_then(decode).ok_or(MALFORMED)?;
    let own = match text("alg")? {
        None => None,
        Some(name) => Some(signature::algorithm(name).ok_or("the key is for an algorithm that is not supported")?),
    };
    let key = VerifyingKey::secret(&bytes);
    let fits = |algorithm: &Algorithm| {
        let long_enough = bytes.len() >= signature::hash(*algorithm).size();
        key.key_type.fits(*algorithm) && own.is_none_or(|own| own == *algorithm) && long_enough
    };
    let algorithms: Vec<_> = ALL.into_iter().filter(fits).collect();
    if algorithms.is_empty() {
        return Err("the secret is shorter than the hash of its algorithm, or `alg` is not HS256, HS384 or HS512");
    }
    Ok(PublicKey { kid: text("kid")?.map(str::to_owned), algorithms, key })
}

/// What was signed, where it is JSON or text.
fn payload(text: &str) -> Option<Value> {
    let (_, claims) = form::read_leniently(text);
    let as_text = || String::from_utf8(decode(text.split('.').nth(1)?)?).ok().map(Value::String);
    claims.map(Value::Object).or_else(as_text)
}
