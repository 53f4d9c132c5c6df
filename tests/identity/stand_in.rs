//! Callers that a test states are what the provider would have made of them.

use carewarden::identity::{StandIn, StandInError};
use serde_json::{Value, json};

use crate::support::{Caller, Fixture};

fn stated(provider: &str, roles: &[&str], claims: Value) -> Result<Caller, StandInError> {
    let Value::Object(claims) = claims else { panic!("not an object") };
    let roles = roles.iter().map(ToString::to_string).collect();
    let stand_in = StandIn { provider: provider.to_owned(), roles, claims, ..StandIn::default() };
    Fixture::load().providers.stand_in(&stand_in).map(|principal| Caller::from(&*principal))
}

#[test]
fn claims_are_mapped_as_those_of_a_token() {
    let claims =
        json!({"sub": "n1", "app": "app", "patient": "Patient/1", "realm_access": {"roles": ["billing", "admin"]}});
    let found = stated("strict", &["nurse", "billing"], claims).unwrap();
    let expected = Caller {
        providers: vec!["strict".to_owned()],
        client: Some("app".to_owned()),
        key_id: None,
        subject: Some("n1".to_owned()),
        patient: Some("Patient/1".to_owned()),
        roles: vec!["billing".to_owned(), "nurse".to_owned()],
    };
    assert_eq!(found, expected);
}

#[test]
fn a_caller_whom_no_provider_would_accept_is_none() {
    let role = |provider: &str| StandInError::Role { provider: provider.to_owned(), role: "physician".to_owned() };
    assert_eq!(stated("strict", &["physician"], json!({})), Err(role("strict")));
    assert_eq!(stated("keys", &["physician"], json!({})), Err(role("keys")));
    assert_eq!(stated("strict", &[], json!({"sub": 1})), Err(StandInError::Claims("strict".to_owned())));
    assert_eq!(stated("nobody", &[], json!({})), Err(StandInError::Provider("nobody".to_owned())));
}

#[test]
fn what_is_stated_comes_before_what_the_claims_say() {
    let claims = json!({"sub": "n1", "azp": "app"}).as_object().unwrap().clone();
    let (client, subject) = (Some("other".to_owned()), Some("n2".to_owned()));
    let stand_in = StandIn { provider: "every".to_owned(), roles: Vec::new(), claims, client, subject };
    let principal = Fixture::load().providers.stand_in(&stand_in).unwrap();
    assert_eq!((principal.client.as_deref(), principal.subject.as_deref()), (Some("other"), Some("n2")));
}
