//! The steps of [`Explanation`] that one issuer's rules make, each by the function that the verdict rests on.

mod claims;
pub(super) mod form;

use serde_json::{Map, Value};

pub(in crate::identity) use form::read_leniently;

use super::signature::{KeyType, VerifyingKey};
use super::{Jwt, PublicKey, Token, media_type};
use crate::identity::explain::{Explanation, KeyUsed, SignatureFound, Step};
use crate::identity::{Context, Refusal, SignatureVerifier};
use crate::policy::model::Algorithm;

impl Jwt {
    /// What is wrong with a token's form, where that is all there is to say.
    pub(in crate::identity) fn explain_form(text: &str) -> Step {
        form::step(text, Token::parse(text).map(|_| ()))
    }

    /// Adds the steps of form, algorithm, key, signature and type.
    pub(in crate::identity) fn explain(&self, text: &str, host: &dyn SignatureVerifier, to: &mut Explanation) {
        let token = Token::parse(text);
        to.steps.push(form::step(text, token.as_ref().map(|_| ()).map_err(|refusal| *refusal)));
        if let Ok(token) = &token {
            self.explain_signature(token, host, to);
            to.steps.push(self.explain_type(token));
        }
    }

    /// Adds the steps of the claims, where they can be read.
    pub(in crate::identity) fn explain_claims(
        &self,
        claims: Option<&Map<String, Value>>,
        context: &Context<'_>,
        steps: &mut Vec<Step>,
    ) {
        if let Some(claims) = claims {
            self.claims.explain(claims, context, steps);
        }
    }

    fn explain_signature(&self, token: &Token<'_>, host: &dyn SignatureVerifier, to: &mut Explanation) {
        if !self.algorithms.contains(&token.algorithm) {
            let accepted: Vec<_> = self.algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect();
            let says = format!("{:?} is not accepted; the policy wants {}", token.algorithm, accepted.join(", "));
            to.steps.push(Step::failed("alg", Refusal::Algorithm, says));
            return;
        }
        to.steps.push(Step::passed("alg", format!("{:?} is accepted", token.algorithm)));
        if !matches!(token.algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
            let keys = self.keys.at_hand();
            if keys.is_empty() && self.is_remote() {
                let says = "the policy has the issuer's keys fetched, and here are none; give the set with `--jwks`";
                to.steps.push(Step::failed("key", Refusal::Unavailable, says));
                return;
            }
            return explain_public(&keys, token, host, to);
        }
        if self.secrets.is_empty() {
            let says = "there is no shared secret: the policy names none, or the environment does not hold it";
            to.steps.push(Step::failed("key", Refusal::UnknownKey, says));
            return;
        }
        to.key = Some(KeyUsed { kid: None, kind: "shared secret" });
        let signed_by = |key: &VerifyingKey| key.verifies(token.algorithm, token.signed, token.signature(), host);
        match self.secrets.iter().position(signed_by) {
            Some(0) => to.found(true, "it is that of the shared secret"),
            Some(_) => to.found(true, "it is that of the secret before the present one"),
            None => to.found(false, "it is not that of the shared secret"),
        }
    }

    fn explain_type(&self, token: &Token<'_>) -> Step {
        let accepted = |types: &[String]| types.iter().map(|typ| format!("`{typ}`")).collect::<Vec<_>>().join(" or ");
        match (&self.types, &token.typ, self.check_type(token.typ.as_deref())) {
            (None, Some(typ), _) => Step::not_judged("typ", format!("typ is `{typ}`; any type is accepted")),
            (None, None, _) => Step::not_judged("typ", "typ is not there; any type is accepted"),
            (Some(_), typ, Ok(())) => {
                Step::passed("typ", format!("typ is `{}`", typ.as_deref().map(media_type).unwrap_or_default()))
            }
            (Some(types), Some(typ), Err(refusal)) => {
                Step::failed("typ", refusal, format!("typ is `{typ}`; the policy wants {}", accepted(types)))
            }
            (Some(types), None, Err(refusal)) => {
                Step::failed("typ", refusal, format!("typ is missing; the policy wants {}", accepted(types)))
            }
        }
    }
}

/// Adds which of some keys a token means, and whether its signature is that key's.
pub(super) fn explain_public(keys: &[PublicKey], token: &Token<'_>, host: &dyn SignatureVerifier, to: &mut Explanation) {
    let algorithm = token.algorithm;
    match super::select(keys, token) {
        Ok(key) => {
            to.key = Some(KeyUsed { kid: key.kid.clone(), kind: key.key.key_type.name() });
            match key.key.verifies(algorithm, token.signed, token.signature(), host) {
                true => to.found(true, "it is that of the key"),
                false => to.found(false, "it is not that of the key, or header or payload were changed"),
            }
        }
        Err(refusal) => {
            let known: Vec<_> = keys.iter().map(describe).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let says = match (&token.kid, refusal) {
                (Some(kid), Refusal::AmbiguousKey) => format!("several keys fit {algorithm:?} and kid `{kid}`: {known}"),
                (None, Refusal::AmbiguousKey) => {
                    format!("several keys fit {algorithm:?}, and the token has no kid: {known}")
                }
                (Some(kid), _) => format!("no key fits {algorithm:?} and kid `{kid}`; there are: {known}"),
                (None, _) => format!("no key fits {algorithm:?}; there are: {known}"),
            };
            to.steps.push(Step::failed("key", refusal, says));
        }
    }
}

fn describe(key: &PublicKey) -> String {
    let kid = key.kid.as_ref().map_or("without kid".to_owned(), |kid| format!("`{kid}`"));
    format!("{kid} ({})", key.key.key_type.name())
}

impl KeyType {
    /// What it is, for people.
    fn name(self) -> &'static str {
        match self {
            Self::Secret => "shared secret",
            Self::Rsa(_) => "RSA",
            Self::P256 => "EC P-256",
            Self::P384 => "EC P-384",
            Self::Ed25519 => "Ed25519",
        }
    }
}

impl Explanation {
    /// Adds the step of the key, which was found, and that of the signature.
    fn found(&mut self, good: bool, says: &str) {
        if let Some(KeyUsed { kid, kind }) = &self.key {
            let named = kid.as_ref().map_or_else(String::new, |kid| format!(" `{kid}`"));
            self.steps.push(Step::passed("key", format!("{kind}{named}")));
        }
        self.signature = if good { SignatureFound::Good } else { SignatureFound::Bad };
        self.steps.push(match good {
            true => Step::passed("signature", says),
            false => Step::failed("signature", Refusal::BadSignature, says),
        });
    }
}
