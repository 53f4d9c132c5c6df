//! What is explained of a token is what the engine decides: every vector, and claims at random around every edge.

use std::cell::Cell;

use carewarden::identity::{self, Context, Explanation, Finding, NoHost, Principal, Providers, Refusal, TokenCache};
use carewarden::policy;
use carewarden::policy::diagnostic::Report;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{Caller, Fixture, Host, context_at, reason};

/// Reasons for which a request is refused before there is a token to speak of.
const BEFORE_THE_TOKEN: [&str; 5] =
    ["missing_credentials", "unsupported_scheme", "repeated_credentials", "several_credentials", "malformed_credentials"];

fn failures(explanation: &Explanation) -> Vec<Refusal> {
    let failure = |finding| if let Finding::Failed(refusal) = finding { Some(refusal) } else { None };
    explanation.steps.iter().filter_map(|step| failure(step.finding)).collect()
}

/// The verdict is the expected one, and the steps say why.
#[track_caller]
fn agrees(name: &str, explanation: &Explanation, expected: &Result<Caller, String>) {
    let found = explanation.verdict.as_ref().map(|caller| Caller::from(&**caller.as_ref().unwrap()));
    let found = found.map_err(|refusal| refusal.reason().to_owned());
    assert_eq!(&found, expected, "{name}");
    let failures = failures(explanation);
    match &explanation.verdict {
        Ok(_) => assert_eq!(failures, [], "{name}: accepted, and a step failed"),
        Err(refusal) => {
            assert!(failures.contains(refusal), "{name}: refused with {refusal:?}, steps fail with {failures:?}")
        }
    }
}

#[test]
fn every_vector_is_explained_as_it_is_decided() {
    let fixture = Fixture::load();
    let (mut explained, now) = (0, fixture.suite.now);
    for case in &fixture.suite.cases {
        let [(_, value)] = case.headers.as_slice() else { continue };
        let expected = fixture.run(case, &NoHost, &TokenCache::new(0));
        let early = expected.as_ref().is_err_and(|reason| BEFORE_THE_TOKEN.contains(&reason.as_str()));
        // Keys, open routes, and places that are not this provider's explain nothing here.
        let only = ["every", "partner", "mixed", "strict", "lax"].contains(&case.route.as_str());
        if early || !(only || case.route == "issuers") {
            continue;
        }
        let token = value.split_once(' ').map_or(&**value, |(_, token)| token.trim_start_matches(' '));
        let certificate = case.certificate.as_ref().map(|hex| policy::model::Sha256Hex::parse(hex).unwrap().0);
        let cache = TokenCache::new(0);
        let (host, certificate_sha256) = (&Host::default(), &|| certificate);
        let context = context_at(case.now.unwrap_or(now), host, &cache, certificate_sha256);
        let named = only.then_some(case.route.as_str());
        let explanation = fixture.providers.explain(token, named, &context).unwrap();
        if !only && explanation.provider.as_ref().is_some_and(|name| !["every", "partner"].contains(&&**name)) {
            continue;
        }
        agrees(&case.name, &explanation, &expected);
        explained += 1;
    }
    assert!(explained > 300, "only {explained} vectors were explained");
}

const SECRET: &str = "a secret of the tests, long enough for HS256";

fn providers(provider: &Value) -> Providers {
    let route = json!({"name": "r", "match": {"paths": ["/"]}, "authorize": [{"allow": {}}]});
    let text = json!({"version": 1, "name": "x", "authentication": {"a": provider}, "routes": [route]}).to_string();
    let mut report = Report::new(&text);
    let loaded = policy::load(&text, &mut report).unwrap();
    let env = |_: &str| Some(SECRET.to_owned());
    let providers = identity::compile(&loaded.model.authentication, loaded.root.key("authentication"), &env, &mut report);
    assert!(!report.has_errors(), "{:#?}", report.into_vec());
    providers
}

#[test]
fn claims_at_random_are_explained_as_they_are_decided() {
    let state = Cell::new(0x5eed_u64);
    let random = |below: usize| {
        // Xorshift64: the same values in every run.
        let mut next = state.get();
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        state.set(next);
        usize::try_from(next % u64::try_from(below).unwrap()).unwrap()
    };
    let base = json!({
        "type": "jwt", "issuer": "i", "audiences": ["a"], "algorithms": ["HS256"], "secret": {"env": "S"},
        "claim_map": {"roles": "/roles", "patient": "/patient"}, "accept_roles": ["nurse"],
    });
    let policies = [
        json!({}),
        json!({"clock_skew": "0s"}),
        json!({"max_age": "60s", "clock_skew": "5s"}),
        json!({"max_lifetime": "60s", "max_age": "30s"}),
        json!({"allow_missing": ["exp", "aud"], "max_age": "60s", "required_claims": ["/x"], "typ": ["at+jwt"]}),
    ];
    let policies: Vec<_> = policies
        .iter()
        .map(|more| {
            let mut provider = base.clone();
            provider.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            providers(&provider)
        })
        .collect();
    let now = 1_000_000;
    let times = [-91, -60, -36, -35, -31, -30, -5, -1, 0, 1, 5, 29, 30, 31, 59, 60, 61];
    let strange = [Value::Null, json!("x"), json!([]), json!({}), json!(0.5), json!(1e300), json!(-1e300)];
    let texts = [json!("a"), json!("b"), json!(["b", "a"]), json!([1]), json!(["nurse", "x"]), json!("nurse x"), json!("")];
    let (mut accepted, rounds) = (0, 4_000);
    for round in 0..rounds {
        let mut claims = json!({"iss": "i", "aud": "a", "exp": now + 60, "iat": now - 1});
        for _ in 0..random(4) {
            let name =
                ["exp", "iat", "nbf", "aud", "sub", "roles", "patient", "client_id", "azp", "x", "iss", "cnf"][random(12)];
            let value = match random(8) {
                0 => strange[random(strange.len())].clone(),
                1 | 2 if name != "cnf" => texts[random(texts.len())].clone(),
                _ if name == "cnf" => json!({"x5t#S256": "A".repeat(42 + random(3))}),
                _ => json!(now + times[random(times.len())]),
            };
            if random(6) == 0 {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value;
            }
        }
        let header = Header { typ: [None, Some("at+jwt".to_owned())][random(2)].clone(), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
        let certificate = [None, Some([0; 32])][random(2)];
        let cache = TokenCache::new(0);
        let certificate_sha256 = &|| certificate;
        let context = context_at(now, &NoHost, &cache, certificate_sha256);
        let providers = &policies[random(policies.len())];
        let explanation = providers.explain(&token, None, &context).unwrap();
        let expected = authenticated(providers, &token, &context);
        let name = format!("round {round}: {claims}");
        agrees(&name, &explanation, &expected);
        accepted += usize::from(expected.is_ok());
    }
    assert!((rounds / 20..rounds / 20 * 19).contains(&accepted), "{accepted} of {rounds} were accepted");
}

/// What a request with this token comes to.
fn authenticated(providers: &Providers, token: &str, context: &Context<'_>) -> Result<Caller, String> {
    let route =
        json!({"name": "r", "match": {"paths": ["/"]}, "authenticate": {"any": ["a"]}, "authorize": [{"allow": {}}]});
    let jwt = json!({"type": "jwt", "issuer": "i", "audiences": ["a"], "algorithms": ["HS256"], "secret": {"env": "S"}});
    let text = json!({"version": 1, "name": "x", "authentication": {"a": jwt}, "routes": [route]}).to_string();
    let mut report = Report::new(&text);
    let loaded = policy::load(&text, &mut report).unwrap();
    let authenticate = loaded.model.routes[0].authenticate.as_ref().unwrap();
    let requirement = providers.requirement(authenticate, &loaded.root, &loaded, &mut report);
    let value = format!("Bearer {token}");
    let headers = carewarden::http::Headers::from_pairs([("authorization", &value)]);
    let found = providers.authenticate(&requirement, &headers, context);
    found.map(|principal: std::rc::Rc<Principal>| Caller::from(&*principal)).map_err(reason)
}
