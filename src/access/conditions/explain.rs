//! Which conditions on the caller and the request do not hold. Not part of the module for Envoy.
//!
//! The same predicates as in [`Conditions::hold`], each asked for itself.

use super::{Conditions, fit, one_of};
use crate::access::{Caller, Facts};
use crate::identity::Principal;
use crate::policy::unmet::{Unmet, listed};

impl Conditions {
    /// What does not hold. A claim that cannot be judged is among it.
    pub(in crate::access) fn unmet(&self, caller: &Principal, facts: &Facts<'_>) -> Vec<Unmet> {
        let Self { providers, roles, clients, methods, paths, claims } = self;
        let mut unmet = Vec::new();
        let mut add = |key: &str, says: String| unmet.push(Unmet::new(key, says));
        if let Some(methods) = methods.as_ref().filter(|methods| !methods.contains(facts.method)) {
            add("methods", format!("the method is `{}`; wanted is {}", facts.method.as_str(), any_of(methods.names())));
        }
        if !fit(paths.as_ref(), facts.path) {
            let paths = paths.iter().flatten().map(ToString::to_string);
            add("paths", format!("the path fits none of {}", listed(paths)));
        }
        if !one_of(providers.as_ref(), &|name| caller.has_provider(name)) {
            let vouched = match caller.providers.is_empty() {
                true => "nobody vouched for the caller".to_owned(),
                false => format!("{} vouched for the caller", listed(&caller.providers)),
            };
            add("providers", format!("{vouched}; wanted is {}", any_of(providers.iter().flatten())));
        }
        if !one_of(roles.as_ref(), &|name| caller.has_role(name)) {
            let own = if caller.roles.is_empty() { "no role".to_owned() } else { listed(&caller.roles) };
            add("roles", format!("the caller has {own}; wanted is {}", any_of(roles.iter().flatten())));
        }
        if !one_of(clients.as_ref(), &|name| caller.is_client(name)) {
            let own = caller.client.as_deref().map_or("no client".to_owned(), |client| format!("`{client}`"));
            add("clients", format!("the caller is {own}; wanted is {}", any_of(clients.iter().flatten())));
        }
        for claim in claims {
            let key = || format!("claims/{}", claim.pointer().replace('~', "~0").replace('/', "~1"));
            let says = || format!("claim `{}`: {}", claim.pointer(), claim.describe(caller.claim(claim.pointer())));
            match claim.holds(caller, facts) {
                Ok(true) => (),
                Ok(false) => add(&key(), says()),
                Err(_) => add(&key(), format!("{}, and the two cannot be compared", says())),
            }
        }
        unmet
    }
}

/// "`a`" or "one of `a`, `b`".
fn any_of<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<T> = names.into_iter().collect();
    let many = names.len() > 1;
    format!("{}{}", if many { "one of " } else { "" }, listed(names))
}
