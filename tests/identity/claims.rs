//! What claims must be and what they become: `fixtures/jwt/claims.json`, a token and a provider's rules in each case.

use std::collections::BTreeMap;

use carewarden::http::Headers;
use carewarden::identity::{self, Context, NoHost, TokenCache};
use carewarden::policy;
use carewarden::policy::diagnostic::Report;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::support::{context_at, reason};

const SECRET: &str = "a secret of the tests, long enough for HS256";
const NOW: i64 = 1_800_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// What the provider says beside the usual.
    rules: Map<String, Value>,
    /// What the token says beside the usual.
    claims: Map<String, Value>,
    accepted: Option<Accepted>,
    refused: Option<String>,
}

/// Of a caller; what is absent is not looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    roles: Option<Vec<String>>,
    headers: Option<BTreeMap<String, String>>,
}

struct Found {
    roles: Vec<String>,
    headers: BTreeMap<String, String>,
}

fn run(case: &Case) -> Result<Found, String> {
    let mut provider = json!({
        "type": "jwt", "issuer": "i", "audiences": ["a"], "algorithms": ["HS256"], "secret": {"env": "S"},
    });
    provider.as_object_mut().unwrap().extend(case.rules.clone());
    let route = json!({
        "name": "r", "match": {"paths": ["/"]}, "authenticate": {"any": ["a"]}, "authorize": [{"allow": {}}],
    });
    let text = json!({"version": 1, "name": "x", "authentication": {"a": provider}, "routes": [route]}).to_string();
    let mut report = Report::new(&text);
    let loaded = policy::load(&text, &mut report).unwrap();
    let env = |_: &str| Some(SECRET.to_owned());
    let at = loaded.root.key("authentication");
    let providers = identity::compile(&loaded.model.authentication, at, &env, &mut report);
    let authenticate = loaded.model.routes[0].authenticate.as_ref().unwrap();
    let requirement = providers.requirement(authenticate, &loaded.root, &loaded, &mut report);
    assert!(!report.has_errors(), "{}: {:#?}", case.name, report.into_vec());

    let mut claims = json!({"iss": "i", "aud": "a", "exp": NOW + 60});
    claims.as_object_mut().unwrap().extend(case.claims.clone());
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    let cache = TokenCache::new(0);
    let context = context_at(NOW, &NoHost, &cache, &|| None);
    let headers = Headers::from_pairs([("authorization", format!("Bearer {token}"))]);
    let principal = providers.authenticate(&requirement, &headers, &context);
    explains(case, &providers, &token, &context, principal.is_ok());
    let principal = principal.map_err(reason)?;
    let headers = providers.claim_headers(&principal);
    Ok(Found {
        roles: principal.roles.iter().map(|role| role.to_string()).collect(),
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    })
}

/// What is explained is what was decided.
#[cfg(not(target_family = "wasm"))]
fn explains(case: &Case, providers: &identity::Providers, token: &str, context: &Context<'_>, accepted: bool) {
    let explanation = providers.explain(token, None, context).unwrap();
    let failed: Vec<_> = explanation
        .steps
        .iter()
        .filter_map(|step| if let identity::Finding::Failed(refusal) = step.finding { Some(refusal) } else { None })
        .collect();
    assert_eq!(explanation.verdict.is_ok(), accepted, "{}", case.name);
    match explanation.verdict {
        Ok(_) => assert_eq!(failed, [], "{}", case.name),
        Err(refusal) => assert!(failed.contains(&refusal), "{}: {failed:?}", case.name),
    }
}

#[cfg(target_family = "wasm")]
fn explains(_: &Case, _: &identity::Providers, _: &str, _: &Context<'_>, _: bool) {}

#[test]
fn every_claim_has_its_outcome() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../fixtures/jwt/claims.json")).unwrap();
    let mut differing = Vec::new();
    for case in &cases {
        let found = run(case);
        let fits = match (&case.accepted, &case.refused, &found) {
            (Some(Accepted { roles, headers }), None, Ok(found)) => {
                roles.as_ref().is_none_or(|roles| *roles == found.roles)
                    && headers.as_ref().is_none_or(|headers| *headers == found.headers)
            }
            (None, Some(refused), Err(reason)) => refused == reason,
            _ => false,
        };
        if !fits {
            let found = found.map(|Found { roles, headers }| format!("{roles:?} {headers:?}"));
            differing.push(format!("{}: {found:?}", case.name));
        }
    }
    assert!(cases.len() > 80, "cases are missing");
    assert!(differing.is_empty(), "{differing:#?}");
}
