//! From the policy's `jwt` provider to [`Jwt`], with everything that would make it refuse what it should accept, or
//! accept what it should refuse, reported.

mod fetch;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde_json::Value;

use super::Keys;
use super::jwk::{self, PublicKey, ReadSet};
use super::required::Required;
use super::signature::{self, KeyType, VerifyingKey};
use super::{ClaimRules, Jwt, media_type};
use crate::identity::compile::{check_pointer, seconds};
use crate::policy::Env;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model::{self, Algorithm, Claim, KeySet, RoleNames};
use crate::policy::secret;

/// Seconds of clock skew past which someone should look.
const LONG_SKEW: i64 = 300;

impl Jwt {
    /// Compiles a provider that stands at `at`.
    pub(in crate::identity) fn compile(
        name: &Rc<str>,
        model: &model::Jwt,
        at: &Node,
        env: Env<'_>,
        report: &mut Report,
    ) -> Self {
        check_lists(model, at, report);
        let types = model.typ.as_ref().map(|types| types.iter().map(|typ| media_type(typ)).collect());
        Self {
            name: Rc::clone(name),
            issuer: model.issuer.clone(),
            algorithms: model.algorithms.clone(),
            keys: public_keys(model, at, env, report),
            secrets: secrets(model, at, env, report),
            types,
            claims: claim_rules(model, at, report),
        }
    }
}

fn check_lists(model: &model::Jwt, at: &Node, report: &mut Report) {
    if model.issuer.is_empty() {
        report.error(at.key("issuer"), Code::InvalidValue, "the issuer is empty").help("write the `iss` of its tokens");
    }
    if model.audiences.is_empty() || model.audiences.iter().any(String::is_empty) {
        report
            .error(at.key("audiences"), Code::InvalidValue, "no audience, or an empty one")
            .help("write the `aud` that tokens for this API have");
    }
    if model.algorithms.is_empty() {
        report
            .error(at.key("algorithms"), Code::InvalidValue, "no algorithm, so every token would be refused")
            .help("write those that the issuer signs with, for example \"RS256\"");
    }
    if model.typ.as_ref().is_some_and(Vec::is_empty) {
        report
            .error(at.key("typ"), Code::InvalidValue, "no type, so every token would be refused")
            .help("write \"at+jwt\", or leave `typ` out");
    }
}

fn is_symmetric(algorithm: Algorithm) -> bool {
    KeyType::Secret.fits(algorithm)
}

fn public_keys(model: &model::Jwt, at: &Node, env: Env<'_>, report: &mut Report) -> Keys {
    let accepted: Vec<_> = model.algorithms.iter().copied().filter(|algorithm| !is_symmetric(*algorithm)).collect();
    let none = Keys::Inline(Rc::default());
    let Some(set) = &model.jwks else {
        if !accepted.is_empty() {
            report
                .error(at, Code::MissingKey, "key `jwks` is missing, and no token could be verified")
                .help("write {\"inline\": …} with the issuer's JWK Set, or {\"discovery\": {\"cluster\": …}}");
        }
        return none;
    };
    let at = at.key("jwks");
    if accepted.is_empty() {
        if !model.algorithms.is_empty() {
            let hint = report.warning(at, Code::Risky, "the keys are not used: all algorithms take the shared secret");
            hint.help("remove them");
        }
        return none;
    }
    match set {
        KeySet::Inline(set) => Keys::Inline(Rc::new(inline_keys(set, &accepted, at.key("inline"), report))),
        KeySet::Remote(fetched) => fetch::keys(fetched, None, accepted, at.key("remote"), env, report),
        KeySet::Discovery(fetched) => fetch::keys(fetched, Some(&model.issuer), accepted, at.key("discovery"), env, report),
    }
}

fn inline_keys(set: &Value, accepted: &[Algorithm], at: &Node, report: &mut Report) -> Vec<PublicKey> {
    let entries = at.key("keys");
    let ReadSet { keys, faults } = match jwk::read_set(set, accepted) {
        Ok(read) => read,
        Err(fault) => {
            report.error(at, Code::UnusableKey, fault.to_string()).help(fault.help());
            return Vec::new();
        }
    };
    for (index, fault) in &faults {
        let (at, message) = (entries.item(*index), fault.to_string());
        let hint = if fault.is_ordinary() {
            report.warning(at, Code::UnusableKey, message)
        } else {
            report.error(at, Code::UnusableKey, message)
        };
        hint.help(fault.help());
    }
    for algorithm in accepted {
        let verified = keys.iter().any(|key| key.algorithms.contains(algorithm));
        if !verified && !faults.iter().any(|(_, fault)| !fault.is_ordinary()) {
            report
                .error(entries, Code::UnusableKey, format!("no key of the set verifies {algorithm:?}"))
                .help("add the issuer's key for it, or take it out of `algorithms`");
        }
    }
    keys
}

/// The shared secret and the one before it, each at least as long as the longest hash (RFC 7518 section 3.2).
fn secrets(model: &model::Jwt, at: &Node, env: Env<'_>, report: &mut Report) -> Vec<VerifyingKey> {
    let needed = model.algorithms.iter().copied().filter(|algorithm| is_symmetric(*algorithm));
    let needed = needed.map(|algorithm| signature::hash(algorithm).size()).max();
    let (secret, needed) = match (&model.secret, needed) {
        (None, None) => return Vec::new(),
        (None, Some(_)) => {
            report
                .error(at, Code::MissingKey, "key `secret` is missing, and no token signed with HS could be verified")
                .help("write {\"env\": \"NAME\"}");
            return Vec::new();
        }
        (Some(_), None) => {
            report
                .warning(at.key("secret"), Code::Risky, "the secret is not used: no algorithm takes one")
                .help("remove it");
            return Vec::new();
        }
        (Some(secret), Some(needed)) => (secret, needed),
    };
    let at = at.key("secret");
    let secrets =
        [secret::resolve(secret, needed, at, env, report), secret::resolve_previous(secret, needed, at, env, report)];
    secrets.iter().flatten().map(|secret| VerifyingKey::secret(secret)).collect()
}

/// Compiles what the claims must be, of a provider that stands at `at`.
pub(in crate::identity) fn claim_rules(model: &model::Jwt, at: &Node, report: &mut Report) -> ClaimRules {
    let model::ClaimMap { roles, client, patient, role_map } = &model.claim_map;
    let map = at.key("claim_map");
    for (key, pointer) in [("roles", roles), ("client", client), ("patient", patient)] {
        if let Some(pointer) = pointer {
            check_pointer(pointer, map.key(key), report);
        }
    }
    for (name, pointer) in &model.claim_headers {
        check_pointer(pointer, at.key("claim_headers").key(name), report);
    }
    if let Some(table) = role_map {
        check_role_map(model, table, map.key("role_map"), report);
    }
    let required = at.key("required_claims");
    let required = model.required_claims.iter().enumerate().filter_map(|(index, claim)| {
        let at = required.item(index);
        Required::compile(claim, at, report)
    });
    let required = required.collect();
    let skew = model.clock_skew.map_or(30, seconds);
    if skew > LONG_SKEW {
        report
            .warning(at.key("clock_skew"), Code::Risky, "tokens are accepted long after they expired")
            .help("30s is usual; clocks that are off by more want mending");
    }
    let exp_may_be_missing = model.allow_missing.contains(&Claim::Exp);
    let at = at.key("allow_missing");
    if exp_may_be_missing && model.max_lifetime.is_some() {
        report
            .error(at, Code::InvalidValue, "a token without `exp` has no lifetime to hold against `max_lifetime`")
            .help("require `exp`, or limit `max_age` instead");
    } else if exp_may_be_missing && model.max_age.is_none() {
        report.warning(at, Code::Risky, "a token without `exp` is accepted for ever").help("set `max_age`");
    }
    let headers = model.claim_headers.iter().map(|(name, pointer)| (name.to_ascii_lowercase().into(), pointer.clone()));
    ClaimRules {
        audiences: model.audiences.clone(),
        aud_may_be_missing: model.allow_missing.contains(&Claim::Aud),
        exp_may_be_missing,
        skew,
        max_lifetime: model.max_lifetime.map(seconds),
        max_age: model.max_age.map(seconds),
        required,
        roles: roles.clone(),
        role_map: role_map.as_ref().map(own_names),
        client: client.clone(),
        patient: patient.clone(),
        accept_roles: model.accept_roles.as_ref().map(|roles| roles.iter().cloned().collect()),
        headers: headers.collect(),
    }
}

type RoleMap = BTreeMap<String, RoleNames>;

fn own_names(table: &RoleMap) -> HashMap<String, Vec<Rc<str>>> {
    let names = |RoleNames(names): &RoleNames| names.iter().map(|name| Rc::from(name.as_str())).collect();
    table.iter().map(|(role, own)| (role.clone(), names(own))).collect()
}

fn check_role_map(model: &model::Jwt, table: &RoleMap, at: &Node, report: &mut Report) {
    if model.claim_map.roles.is_none() {
        report
            .error(at, Code::InvalidValue, "there are no roles to map: `roles` does not say where they stand")
            .help("write the JSON Pointer to them as `roles`");
    }
    for (role, RoleNames(names)) in table {
        let at = at.key(role);
        if names.is_empty() || names.iter().any(String::is_empty) {
            report
                .error(at, Code::InvalidValue, format!("`{role}` becomes no role, or one without a name"))
                .help("leave it out: a role that is not in the table is not conferred");
        }
        let lost = |name: &&String| model.accept_roles.as_ref().is_some_and(|accepted| !accepted.contains(*name));
        for name in names.iter().filter(lost) {
            report
                .error(
                    at,
                    Code::InvalidValue,
                    format!("`{role}` becomes `{name}`, which `accept_roles` does not let through"),
                )
                .help("add it to `accept_roles`, or take it out here");
        }
    }
}
