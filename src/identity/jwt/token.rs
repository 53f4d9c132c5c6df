//! A token taken apart: JWS compact serialisation (RFC 7515 section 7.1) and its header.
//!
//! Exactly three parts, each in base64url without padding, white space or stray trailing bits (section 2), so that a
//! token has one spelling. Header and payload are JSON objects with one reading ([`super::json`]). Nothing is believed
//! here: the signature has not been looked at.
//!
//! Header parameters that bring a key (`jku`, `jwk`, `x5u`) or change what is signed (`crit`, `b64`, RFC 7797) are
//! refused; the rest that RFC 7515 does not make us understand is ignored, as it asks.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json;
use super::signature::{self, Signature};
use crate::identity::Refusal;
use crate::policy::model::Algorithm;

/// Parameters whose mere presence refuses the token.
pub(super) const REFUSED_PARAMETERS: &[&str] = &["crit", "b64", "jku", "jwk", "x5u"];

/// A token taken apart and not yet believed.
pub(in crate::identity) struct Token<'t> {
    /// What was signed: header, dot, payload as they were sent.
    pub(super) signed: &'t [u8],
    signature_text: &'t str,
    signature: Vec<u8>,
    /// The algorithm that the token claims.
    pub(super) algorithm: Algorithm,
    /// The key that the token claims.
    pub(super) kid: Option<String>,
    /// The type that the token claims.
    pub(super) typ: Option<String>,
    /// The claims.
    pub(super) claims: Map<String, Value>,
}

impl<'t> Token<'t> {
    /// Whether a text has the three parts of a token.
    pub(in crate::identity) fn has_shape(text: &str) -> bool {
        text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Takes a token apart.
    pub(in crate::identity) fn parse(text: &'t str) -> Result<Self, Refusal> {
        Self::take_apart(text, json::object)
    }

    /// Takes apart a token of whose payload nothing is asked: only its signature is of interest.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn with_any_payload(text: &'t str) -> Result<Self, Refusal> {
        Self::take_apart(text, |_| Some(Map::new()))
    }

    fn take_apart(text: &'t str, read: impl FnOnce(&[u8]) -> Option<Map<String, Value>>) -> Result<Self, Refusal> {
        let malformed = Refusal::MalformedToken;
        let (signed, signature_text) = text.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(malformed)?;
        let mut header = decode(header).and_then(|bytes| json::object(&bytes)).ok_or(malformed)?;
        // A fourth part would leave a dot in the payload, which base64url does not have.
        let claims = decode(payload).and_then(|bytes| read(&bytes)).ok_or(malformed)?;
        let signature = decode(signature_text).ok_or(malformed)?;
        if REFUSED_PARAMETERS.iter().any(|name| header.contains_key(*name)) {
            return Err(Refusal::HeaderParameter);
        }
        let mut string = |name: &str| match header.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed),
        };
        let (kid, typ, algorithm) = (string("kid")?, string("typ")?, string("alg")?.ok_or(malformed)?);
        let algorithm = signature::algorithm(&algorithm).ok_or(Refusal::Algorithm)?;
        Ok(Self { signed: signed.as_bytes(), signature_text, signature, algorithm, kid, typ, claims })
    }

    /// The issuer that the token claims.
    pub(in crate::identity) fn issuer(&self) -> Result<&str, Refusal> {
        let issuer = self.claims.get("iss").ok_or(Refusal::MissingClaim)?;
        issuer.as_str().ok_or(Refusal::MalformedClaim)
    }

    /// The signature that the token carries.
    pub(super) fn signature(&self) -> Signature<'_> {
        Signature { bytes: &self.signature, text: self.signature_text }
    }
}

/// Strict base64url.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
