//! Claims (RFC 7519 section 4.1) after the signature was verified: what they say, and until when it holds.
//!
//! A claim is absent, malformed or present: three cases, never two. A claim of the wrong type refuses the token even
//! where its absence would not; `null` is a wrong type. Rules in order:
//!
//! 1. `aud` holds one of the provider's audiences; it must be there unless the policy lets it be missing.
//! 2. Required claims are there, and pass their tests ([`super::required`]).
//! 3. `exp`, `nbf` and `iat` give a [`Window`], widened by the clock skew. Fractions are rounded towards the narrower
//!    window, sums saturate, so no number opens it.
//! 4. `cnf` binds the token to a client certificate (RFC 8705) or refuses it.
//! 5. `sub` and the claims mapped to roles, client, patient and headers have their types. With a table of roles only those
//!    in it are conferred, under the policy's names; `accept_roles` speaks of these.
//!
//! The window and the binding are judged on every use, from the cache too: see [`Verified::judge`].

use std::collections::HashSet;
use std::rc::Rc;

use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::token::decode;
use super::{ClaimRules, Mapping};
use crate::identity::principal::{Principal, claim};
use crate::identity::{Context, Refusal};

/// A token whose signature was verified, and what is judged again on each use.
pub(in crate::identity) struct Verified {
    /// What the token says of the caller.
    pub(in crate::identity) principal: Rc<Principal>,
    window: Window,
    /// SHA-256 of the client certificate that the token is bound to.
    certificate: Option<[u8; 32]>,
}

impl Verified {
    /// The caller, if the token holds now and for this connection.
    pub(in crate::identity) fn judge(&self, context: &Context<'_>) -> Result<Rc<Principal>, Refusal> {
        self.window.judge(context.now)?;
        if let Some(bound) = &self.certificate {
            let presented = (context.certificate_sha256)().ok_or(Refusal::CertificateBinding)?;
            if !bool::from(bound.ct_eq(&presented)) {
                return Err(Refusal::CertificateBinding);
            }
        }
        Ok(Rc::clone(&self.principal))
    }

    /// Judges claims. Their signature has been verified.
    pub(in crate::identity) fn from_claims(
        rules: &ClaimRules,
        provider: &Rc<str>,
        claims: Map<String, Value>,
    ) -> Result<Self, Refusal> {
        audience(rules, &claims)?;
        rules.required.iter().try_for_each(|required| required.judge(&claims))?;
        let window = Window::of(rules, &claims)?;
        let certificate = certificate(claims.get("cnf"))?;
        let Mapping { subject, client, patient, roles } = rules.map(&claims)?;
        let providers = vec![Rc::clone(provider)];
        let principal = Principal { providers, client, key_id: None, subject, patient, roles, claims };
        Ok(Self { principal: Rc::new(principal), window, certificate })
    }
}

/// The state of a claim.
pub(super) enum Claim<T> {
    Absent,
    Malformed,
    Present(T),
}

impl<T> Claim<T> {
    pub(super) fn read<'v>(value: Option<&'v Value>, convert: impl FnOnce(&'v Value) -> Option<T>) -> Self {
        value.map_or(Self::Absent, |value| convert(value).map_or(Self::Malformed, Self::Present))
    }

    pub(super) fn optional(self) -> Result<Option<T>, Refusal> {
        match self {
            Self::Absent => Ok(None),
            Self::Malformed => Err(Refusal::MalformedClaim),
            Self::Present(value) => Ok(Some(value)),
        }
    }

    pub(super) fn unless(self, may_be_missing: bool) -> Result<Option<T>, Refusal> {
        match self.optional()? {
            None if !may_be_missing => Err(Refusal::MissingClaim),
            value => Ok(value),
        }
    }
}

/// RFC 7519 section 4.1.3: one string or an array of strings.
pub(super) fn audience(rules: &ClaimRules, claims: &Map<String, Value>) -> Result<(), Refusal> {
    let audiences = Claim::read(claims.get("aud"), |value| match value {
        Value::String(one) => Some(vec![one.as_str()]),
        Value::Array(many) => many.iter().map(Value::as_str).collect(),
        _ => None,
    });
    match audiences.unless(rules.aud_may_be_missing)? {
        Some(audiences) if !audiences.iter().any(|one| rules.audiences.iter().any(|own| own == one)) => {
            Err(Refusal::Audience)
        }
        _ => Ok(()),
    }
}

/// When a token may be used: from the first second until before the second.
#[derive(Clone, Copy)]
struct Window {
    from: i64,
    until: i64,
}

impl Window {
    fn of(rules: &ClaimRules, claims: &Map<String, Value>) -> Result<Self, Refusal> {
        let date = |name: &str| Claim::read(claims.get(name), Moment::read);
        let limited = rules.max_age.is_some() || rules.max_lifetime.is_some();
        let issued = date("iat").unless(!limited)?;
        let expires = date("exp").unless(rules.exp_may_be_missing)?;
        let starts = date("nbf").optional()?;

        let mut window = Self { from: i64::MIN, until: i64::MAX };
        if let Some(starts) = starts {
            window.from = starts.ceil;
        }
        if let Some(expires) = expires {
            window.until = expires.floor;
        }
        if let Some(issued) = issued {
            window.from = window.from.max(issued.ceil);
            if let Some(max_age) = rules.max_age {
                window.until = window.until.min(issued.floor.saturating_add(max_age));
            }
            if let Some(max) = rules.max_lifetime {
                let expires = expires.ok_or(Refusal::MissingClaim)?;
                if expires.ceil.saturating_sub(issued.floor) > max {
                    return Err(Refusal::Lifetime);
                }
            }
        }
        window.from = window.from.saturating_sub(rules.skew);
        window.until = window.until.saturating_add(rules.skew);
        Ok(window)
    }

    fn judge(self, now: i64) -> Result<(), Refusal> {
        if now >= self.until {
            Err(Refusal::Expired)
        } else if now < self.from {
            Err(Refusal::NotYetValid)
        } else {
            Ok(())
        }
    }
}

/// A NumericDate (RFC 7519 section 2), which may have a fraction, as the seconds around it.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) floor: i64,
    pub(super) ceil: i64,
}

impl Moment {
    pub(super) fn read(value: &Value) -> Option<Self> {
        if let Some(whole) = value.as_i64() {
            return Some(Self { floor: whole, ceil: whole });
        }
        let fraction = value.as_f64()?;
        // `as` saturates, and JSON has no NaN.
        Some(Self { floor: fraction.floor() as i64, ceil: fraction.ceil() as i64 })
    }
}

/// RFC 7800 section 3.1: a confirmation that is not understood must not be passed over. RFC 8705 section 3.1.
pub(super) fn certificate(confirmation: Option<&Value>) -> Result<Option<[u8; 32]>, Refusal> {
    let members = match confirmation {
        None => return Ok(None),
        Some(Value::Object(members)) => members,
        Some(_) => return Err(Refusal::MalformedClaim),
    };
    let thumbprint = members.get("x5t#S256").ok_or(Refusal::UnsupportedBinding)?;
    if members.len() != 1 {
        return Err(Refusal::UnsupportedBinding);
    }
    let thumbprint = thumbprint.as_str().and_then(decode).and_then(|bytes| bytes.try_into().ok());
    thumbprint.map(Some).ok_or(Refusal::MalformedClaim)
}

impl ClaimRules {
    /// The same for claims that somebody else bounds in time, so that they need no `exp`.
    pub(in crate::identity) fn without_end(self) -> Self {
        Self { exp_may_be_missing: true, ..self }
    }

    /// What the claims say of the caller.
    pub(in crate::identity) fn map(&self, claims: &Map<String, Value>) -> Result<Mapping, Refusal> {
        let text = |pointer: &str| Claim::read(claim(claims, pointer), non_empty).optional();
        let mapped = |pointer: &Option<String>| pointer.as_deref().map_or(Ok(None), text);
        let client = match &self.client {
            Some(pointer) => text(pointer)?,
            None => match text("/client_id")? {
                Some(client) => Some(client),
                None => text("/azp")?,
            },
        };
        let roles = match &self.roles {
            Some(pointer) => Claim::read(claim(claims, pointer), role_names).optional()?.unwrap_or_default(),
            None => Vec::new(),
        };
        self.headers.iter().try_for_each(|(_, pointer)| header_value(claim(claims, pointer)).map(drop))?;
        let mut seen = HashSet::new();
        let roles = roles.into_iter().flat_map(|role| self.own_roles(role));
        let roles = roles.filter(|role| self.confers(role) && seen.insert(Rc::clone(role))).collect();
        Ok(Mapping { subject: text("/sub")?, client, patient: mapped(&self.patient)?, roles })
    }

    /// What a role of the issuer's is in the policy.
    pub(super) fn own_roles(&self, role: &str) -> Vec<Rc<str>> {
        match &self.role_map {
            Some(table) => table.get(role).cloned().unwrap_or_default(),
            None => vec![Rc::from(role)],
        }
    }

    /// Whether the provider may confer this role.
    pub(in crate::identity) fn confers(&self, role: &str) -> bool {
        self.accept_roles.as_ref().is_none_or(|accepted| accepted.contains(role))
    }
}

fn non_empty(value: &Value) -> Option<Rc<str>> {
    value.as_str().filter(|text| !text.is_empty()).map(Rc::from)
}

pub(super) fn role_names(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::Array(names) => names.iter().map(Value::as_str).collect(),
        Value::String(names) => Some(names.split(' ').filter(|name| !name.is_empty()).collect()),
        _ => None,
    }
}

/// A claim as the value of a header: nothing where there is none to tell. What could end the field, begin another or look
/// like two values in the place of one is malformed (RFC 9110 section 5.5).
pub(in crate::identity) fn header_value(value: Option<&Value>) -> Result<Option<String>, Refusal> {
    let is_field_value =
        |text: &str| !text.is_empty() && text.trim() == text && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let item = |item: &Value| item.as_str().filter(|text| is_field_value(text) && !text.contains(',')).map(str::to_owned);
    let text = match value {
        None => return Ok(None),
        Some(Value::String(text)) => is_field_value(text).then(|| text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(truth)) => Some(truth.to_string()),
        Some(Value::Array(items)) if items.is_empty() => return Ok(None),
        Some(Value::Array(items)) => items.iter().map(item).collect::<Option<Vec<_>>>().map(|items| items.join(",")),
        Some(Value::Null | Value::Object(_)) => None,
    };
    text.map(Some).ok_or(Refusal::MalformedClaim)
}
