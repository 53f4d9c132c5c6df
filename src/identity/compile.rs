//! From the policy's `authentication` to [`Providers`].
//!
//! What is reported here rather than in a provider concerns all of them: providers that no request could tell apart, and
//! routes that API keys are bound to.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use super::api_key::ApiKeys;
use super::introspection::Introspection;
use super::jwt::Jwt;
use super::mtls::Mtls;
use super::place::Place;
use super::principal::Principal;
use super::{Kind, Provider, Providers};
use crate::policy::diagnostic::{Code, Report, nearest};
use crate::policy::document::Node;
use crate::policy::label;
use crate::policy::model;
use crate::policy::{Env, Loaded};

/// Compiles the providers of a policy; `at` is its `authentication`.
///
/// A secret that the environment lacks is a warning here ([`Code::MissingSecret`]), and whatever it would verify is
/// refused; who loads a policy to enforce it takes that warning for an error.
pub fn compile(
    authentication: &BTreeMap<String, model::Provider>,
    at: &Node,
    env: Env<'_>,
    report: &mut Report,
) -> Providers {
    let mut list: Vec<Provider> = Vec::with_capacity(authentication.len());
    for (name, model) in authentication {
        let at = at.key(name);
        let name: Rc<str> = name.as_str().into();
        let forward = match model {
            model::Provider::Jwt(jwt) => jwt.forward,
            model::Provider::ApiKey(keys) => keys.forward,
            model::Provider::Introspection(asked) => asked.forward,
            model::Provider::Mtls(_) => false,
        };
        if is_counted(model) {
            label::check(&name, at, report);
        }
        let place = Place::compile(model, at, report);
        let kind = match model {
            model::Provider::Jwt(jwt) => Kind::Jwt(Box::new(Jwt::compile(&name, jwt, at, env, report))),
            model::Provider::ApiKey(keys) => Kind::ApiKey(ApiKeys::compile(&name, keys, at, report)),
            model::Provider::Introspection(asked) => match Introspection::compile(&name, asked, at, env, report) {
                Some(introspection) => Kind::Introspection(Box::new(introspection)),
                None => continue,
            },
            model::Provider::Mtls(mtls) => Kind::Mtls(Mtls::compile(&name, mtls, at, report)),
        };
        // What was reported has no place, and nobody can ask for it.
        let Some(place) = place else { continue };
        let provider = Provider { name, place, forward, kind, epoch: Cell::default() };
        if let Some(other) = list.iter().find(|other| indistinguishable(other, &provider)) {
            let message = format!("no request could tell `{}` from `{}`", provider.name, other.name);
            report.error(at.key(provider.place.key()), Code::DuplicateName, message).help(
                "give one of them another place; only tokens of different issuers can share one, and opaque ones of one \
                     issuer beside them",
            );
        }
        list.push(provider);
    }
    let mut headers: Vec<_> = list.iter().filter_map(|provider| provider.place.header().cloned()).collect();
    headers.sort_unstable();
    headers.dedup();
    Providers { list, headers, anonymous: Rc::new(Principal::default()), stamp: Rc::default() }
}

/// Whether metrics name the provider.
fn is_counted(model: &model::Provider) -> bool {
    match model {
        model::Provider::ApiKey(_) | model::Provider::Introspection(_) => true,
        model::Provider::Jwt(jwt) => matches!(jwt.jwks, Some(model::KeySet::Remote(_) | model::KeySet::Discovery(_))),
        model::Provider::Mtls(_) => false,
    }
}

fn indistinguishable(one: &Provider, other: &Provider) -> bool {
    one.place == other.place
        && match (&one.kind, &other.kind) {
            (Kind::Jwt(one), Kind::Jwt(other)) => one.issuer == other.issuer,
            (Kind::Jwt(_), Kind::Introspection(_)) | (Kind::Introspection(_), Kind::Jwt(_)) => false,
            // They differ in what they ask of a certificate.
            (Kind::Mtls(_), Kind::Mtls(_)) => false,
            _ => true,
        }
}

/// Checks that the routes which API keys are bound to are there.
pub fn check_key_routes(loaded: &Loaded, report: &mut Report) {
    let names: HashSet<&str> = loaded.model.routes.iter().map(|route| route.name.as_str()).collect();
    for (provider, model) in &loaded.model.authentication {
        let model::Provider::ApiKey(keys) = model else { continue };
        let at = loaded.root.key("authentication").key(provider).key("keys");
        for (index, routes) in keys.keys.iter().enumerate().filter_map(|(index, key)| Some((index, key.routes.as_ref()?))) {
            let at = at.item(index).key("routes");
            if routes.is_empty() {
                report.error(at, Code::InvalidValue, "the key could be used nowhere").help("name routes, or leave it out");
            }
            for (index, name) in routes.iter().enumerate().filter(|(_, name)| !names.contains(name.as_str())) {
                let near = nearest(name, names.iter().copied());
                report
                    .error(at.item(index), Code::MissingReference, format!("no route is named `{name}`"))
                    .help(near.map_or("name routes of this policy".to_owned(), |near| format!("did you mean `{near}`?")));
            }
        }
    }
}

/// Reports what is not a JSON Pointer (RFC 6901) to something inside.
pub(super) fn check_pointer(pointer: &str, at: &Node, report: &mut Report) {
    let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !pointer.starts_with('/') || !escapes {
        report
            .error(at, Code::InvalidValue, format!("`{pointer}` is not a JSON Pointer"))
            .help("write \"/a/b\" for member b of member a; in names `~` is `~0` and `/` is `~1`");
    }
}

/// How long something takes that is said at `at` under `key`, or else as usual. A time that is out of bounds is
/// reported.
pub(crate) fn time_within(
    bounds: RangeInclusive<Duration>,
    usual: Duration,
    own: Option<model::Duration>,
    at: &Node,
    key: &str,
    report: &mut Report,
) -> Duration {
    let time = own.map_or(usual, |own| own.0);
    if !bounds.contains(&time) {
        let (from, to) = (bounds.start(), bounds.end());
        report
            .error(at.key(key), Code::InvalidValue, format!("`{key}` has to be from {from:?} to {to:?}"))
            .help(format!("leave it out for {usual:?}"));
    }
    time
}

/// A length of time in whole seconds.
pub(super) fn seconds(duration: model::Duration) -> i64 {
    i64::try_from(duration.0.as_secs()).unwrap_or(i64::MAX)
}
