//! A signed word to the upstream about who asks: a JWT (RFC 7519) of a few seconds, by HMAC with a secret that the upstream
//! shares.
//!
//! Headers tell who asks; whoever reaches the upstream past Envoy can write them. This one they cannot make, so an upstream
//! that demands it notices a bypass, on routes without authentication too. What it says:
//!
//! | claim | |
//! | --- | --- |
//! | `iss`, `aud` | as the policy has them |
//! | `iat`, `exp` | when the request was let through, and until when the token is good: at most five minutes later |
//! | `jti` | Envoy's id of the request, where there is one |
//! | `sub`, `client`, `patient`, `provider` | the caller, as far as known; several providers with commas between |
//! | `roles` | the roles conferred; none for an anonymous caller |
//! | `method`, `path_sha256` | the request: its method, and SHA-256 in base64url of its path and query as they are sent on |
//!
//! The token is bound to its request, so that who finds one in a log, or is an upstream that got one, cannot ask for
//! something else with it while it lasts. It holds the hash of the path and not the path, since paths name patients and
//! tokens end up in logs. The body is not bound. It is signed when the request is let through, not when its head came: a
//! slow body does not eat up its time.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::effect::Change;
use crate::identity::Principal;
use crate::policy::Env;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model;
use crate::policy::secret;

/// The shortest secret: as long as the hash (RFC 7518 section 3.2).
const MIN_SECRET: usize = 32;

/// Seconds that a token may last, and those that it lasts where the policy does not say.
const LIFETIMES: std::ops::RangeInclusive<i64> = 1..=300;
const LIFETIME: i64 = 30;

/// Signs tokens.
pub(super) struct IdentityToken {
    header: Rc<str>,
    issuer: String,
    audience: String,
    lifetime: i64,
    key: Hmac<Sha256>,
}

/// The request that a token is for.
pub(super) struct Asked<'a> {
    pub(super) principal: &'a Principal,
    pub(super) method: &'a str,
    /// Path and query as they are sent on.
    pub(super) target: &'a str,
    pub(super) request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<&'a str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    provider: String,
    roles: &'a [Rc<str>],
    method: &'a str,
    path_sha256: String,
}

impl IdentityToken {
    /// Compiles the policy's `identity_token`. Without its secret there is no token, and an upstream that demands one
    /// refuses.
    pub(super) fn compile(model: &model::IdentityToken, at: &Node, env: Env<'_>, report: &mut Report) -> Option<Self> {
        let model::IdentityToken { header, secret: named, issuer, audience, lifetime } = model;
        for (key, text) in [("issuer", issuer), ("audience", audience)] {
            if text.is_empty() {
                report
                    .error(at.key(key), Code::InvalidValue, format!("the {key} is empty"))
                    .help("write what the upstream expects");
            }
        }
        // Whole seconds: a token says no fractions.
        let seconds = lifetime.map_or(Some(LIFETIME), |model::Duration(lifetime)| {
            i64::try_from(lifetime.as_secs()).ok().filter(|_| lifetime.subsec_nanos() == 0)
        });
        let seconds = seconds.filter(|seconds| LIFETIMES.contains(seconds));
        if seconds.is_none() {
            report
                .error(at.key("lifetime"), Code::InvalidValue, "a token lasts from 1s to 5m, in whole seconds")
                .help("30s is enough: it is made for one request");
        }
        let secret_at = at.key("secret");
        if named.previous.is_some() {
            report
                .error(secret_at.key("previous"), Code::NotSupported, "a token is signed with one secret")
                .help("let the upstream accept both while the secret is changed");
        }
        let secret = secret::resolve(named, MIN_SECRET, secret_at, env, report)?;
        Some(Self {
            header: header.as_str().into(),
            issuer: issuer.clone(),
            audience: audience.clone(),
            lifetime: seconds?,
            key: Hmac::new_from_slice(&secret).ok()?,
        })
    }

    /// The header with a token for this request.
    pub(super) fn change(&self, asked: &Asked<'_>, now: i64) -> Option<Change> {
        Some(Change::Set(self.header.to_string().into(), self.sign(asked, now)?.into_bytes()))
    }

    fn sign(&self, asked: &Asked<'_>, now: i64) -> Option<String> {
        let Asked { principal, method, target, request_id } = asked;
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            iat: now,
            exp: now.saturating_add(self.lifetime),
            jti: *request_id,
            sub: principal.subject.as_deref(),
            client: principal.client.as_deref(),
            patient: principal.patient.as_deref(),
            provider: principal.providers.join(","),
            roles: &principal.roles,
            method,
            path_sha256: URL_SAFE_NO_PAD.encode(Sha256::digest(target.as_bytes())),
        };
        let claims = serde_json::to_vec(&claims).ok()?;
        let mut token = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.key.clone().chain_update(token.as_bytes()).finalize().into_bytes();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }
}

#[cfg(test)]
mod tests;
