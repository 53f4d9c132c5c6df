//! What is wrong with the form of a token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::identity::Refusal;
use crate::identity::explain::Step;
use crate::identity::jwt::json;
use crate::identity::jwt::token::REFUSED_PARAMETERS;

type Members = Map<String, Value>;

/// Header and claims, as far as they can be read: only to show them.
pub(in crate::identity) fn read_leniently(text: &str) -> (Option<Members>, Option<Members>) {
    let mut parts = text.split('.');
    let mut part = || URL_SAFE_NO_PAD.decode(parts.next()?.trim_end_matches('=')).ok();
    let (header, payload) = (part(), part());
    let object = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| json::object(&bytes));
    (object(header), object(payload))
}

/// The step of the form, when this is what was found.
pub(in crate::identity::jwt) fn step(text: &str, found: Result<(), Refusal>) -> Step {
    let header = || read_leniently(text).0.unwrap_or_default();
    match found {
        Ok(()) => Step::passed("form", "three parts in base64url, header and payload are read"),
        Err(refusal @ Refusal::HeaderParameter) => {
            let header = header();
            let named = REFUSED_PARAMETERS.iter().filter(|name| header.contains_key(**name));
            let named: Vec<_> = named.map(|name| format!("`{name}`")).collect();
            Step::failed("header", refusal, format!("the header has {}, which is never accepted", named.join(", ")))
        }
        Err(refusal @ Refusal::Algorithm) => {
            let algorithm = header().remove("alg").unwrap_or_default();
            Step::failed("alg", refusal, format!("{algorithm} is no algorithm that is accepted"))
        }
        Err(refusal) => Step::failed("form", refusal, fault(text)),
    }
}

/// Why nothing can be made of a token.
fn fault(text: &str) -> String {
    if text.to_ascii_lowercase().starts_with("bearer ") {
        return "leave out the `Bearer` before it".to_owned();
    }
    let parts: Vec<_> = text.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        return format!("a token has three parts between dots, and this has {}", parts.len());
    };
    for (name, part) in [("header", header), ("payload", payload), ("signature", signature)] {
        if let Err(why) = decode(part) {
            return format!("the {name} {why}");
        }
    }
    let object = |part: &str| decode(part).ok().and_then(|bytes| json::object(&bytes));
    let Some(header) = object(header) else {
        return "the header is not a JSON object with one reading (repeated keys are two)".to_owned();
    };
    if let Some(name) = ["kid", "typ", "alg"].iter().find(|name| header.get(**name).is_some_and(|own| !own.is_string())) {
        return format!("`{name}` in the header is not a string");
    }
    if !header.contains_key("alg") {
        return "the header has no `alg`".to_owned();
    }
    "the payload is not a JSON object with one reading (repeated keys are two)".to_owned()
}

fn decode(part: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD.decode(part).map_err(|error| match error {
        _ if part.contains('=') => "has padding (`=`), which base64url in a token does not",
        _ if part.contains(char::is_whitespace) => "has white space in it",
        _ if part.contains(['+', '/']) => "is in base64, not in base64url",
        base64::DecodeError::InvalidByte(..) => "has a character that base64url does not",
        _ => "is cut, or ends in bits that mean nothing",
    })
}
