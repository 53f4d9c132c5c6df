//! Who asks, as far as the providers vouched for it.

use std::collections::HashSet;
use std::fmt;
use std::rc::Rc;

use serde_json::{Map, Value};

/// A caller. Made by [`Providers::authenticate`](super::Providers::authenticate) once everything was verified, or stated
/// by a policy's test.
///
/// All text comes from tokens and policies as it is: it may hold commas, line breaks, anything. Who writes it into a
/// header or a record must see to that.
#[derive(Clone, Default, PartialEq)]
pub struct Principal {
    /// The providers that vouched, in the order of the policy's list. None for an anonymous caller.
    pub providers: Vec<Rc<str>>,
    /// The client application.
    pub client: Option<Rc<str>>,
    /// The name of the API key.
    pub key_id: Option<Rc<str>>,
    /// The user, a token's `sub`.
    pub subject: Option<Rc<str>>,
    /// The patient in context, as the issuer wrote it.
    pub patient: Option<Rc<str>>,
    /// The roles conferred, after `accept_roles`, each once.
    pub roles: Vec<Rc<str>>,
    /// The claims of the token.
    pub claims: Map<String, Value>,
}

impl Principal {
    /// Whether nobody vouched for the caller.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.providers.is_empty()
    }

    /// The claim that a JSON Pointer (RFC 6901) leads to.
    #[must_use]
    pub fn claim(&self, pointer: &str) -> Option<&Value> {
        claim(&self.claims, pointer)
    }

    /// Confers further roles, each once.
    pub(super) fn add_roles(&mut self, roles: impl IntoIterator<Item = Rc<str>>) {
        let mut known: HashSet<_> = self.roles.iter().cloned().collect();
        self.roles.extend(roles.into_iter().filter(|role| known.insert(Rc::clone(role))));
    }

    /// Joins what a further provider vouched for, where a route asks for all of several.
    ///
    /// Roles add up. What only one can say (client, key, subject, patient, claims) the first provider in the policy's
    /// list that says it decides.
    pub(super) fn join(&mut self, other: &Self) {
        let Self { providers, client, key_id, subject, patient, roles, claims } = other;
        self.providers.extend(providers.iter().cloned());
        for (own, theirs) in [
            (&mut self.client, client),
            (&mut self.key_id, key_id),
            (&mut self.subject, subject),
            (&mut self.patient, patient),
        ] {
            if own.is_none() {
                own.clone_from(theirs);
            }
        }
        self.add_roles(roles.iter().cloned());
        if self.claims.is_empty() {
            self.claims.clone_from(claims);
        }
    }
}

/// Claims tell of people; only the shape is shown.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal").field("providers", &self.providers).finish_non_exhaustive()
    }
}

/// What `pointer` leads to in `claims`.
pub(super) fn claim<'c>(claims: &'c Map<String, Value>, pointer: &str) -> Option<&'c Value> {
    let path = pointer.strip_prefix('/')?;
    let (key, rest) = path.find('/').map_or((path, ""), |at| path.split_at(at));
    let value = if key.contains('~') { claims.get(&key.replace("~1", "/").replace("~0", "~")) } else { claims.get(key) };
    value?.pointer(rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stated(claims: Value) -> Principal {
        let Value::Object(claims) = claims else { panic!("not an object") };
        Principal { claims, ..Principal::default() }
    }

    #[test]
    fn a_pointer_leads_into_the_claims() {
        let principal = stated(json!({"realm_access": {"roles": ["a", "b"]}, "a/b": {"~": 1}, "": 2, "n": null}));
        assert_eq!(principal.claim("/realm_access/roles/1"), Some(&json!("b")));
        assert_eq!(principal.claim("/a~1b/~0"), Some(&json!(1)));
        assert_eq!(principal.claim("/"), Some(&json!(2)));
        assert_eq!(principal.claim("/n"), Some(&Value::Null));
        for nothing in ["", "realm_access", "/realm_access/roles/01", "/realm_access/roles/2", "/a~2b", "/absent"] {
            assert_eq!(principal.claim(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn the_first_to_say_something_decides_and_roles_add_up() {
        let mut key = Principal { client: Some("key".into()), ..stated(json!({})) };
        key.add_roles(["a".into(), "b".into(), "a".into()]);
        let mut token = Principal { client: Some("token".into()), subject: Some("s".into()), ..stated(json!({"x": 1})) };
        token.add_roles(["b".into(), "c".into()]);
        key.join(&token);
        assert_eq!((key.client.as_deref(), key.subject.as_deref()), (Some("key"), Some("s")));
        assert_eq!(key.roles, ["a".into(), "b".into(), "c".into()] as [Rc<str>; 3]);
        assert_eq!(key.claim("/x"), Some(&json!(1)));
    }

    #[test]
    fn debug_output_holds_no_claim() {
        let mut principal = stated(json!({"name": "Doe"}));
        principal.subject = Some("jane.doe".into());
        assert!(!format!("{principal:?}").to_lowercase().contains("doe"));
    }
}
