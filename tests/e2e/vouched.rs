//! What the upstream can rely on: the signed token, and claims as headers.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::stage::{BILLING, Stage, UPSTREAM_KEY, clinic_with};
use crate::support::client::PROTOCOLS;
use crate::support::config::Options;
use crate::support::message::Request;
use crate::support::token::{Signer, Token};
use crate::support::upstream::{Reply, Seen};

const HEADER: &str = "x-carewarden-identity";

fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let policy = clinic_with(|policy| {
            policy["identity_token"] = json!({
                "secret": {"env": "UPSTREAM_KEY"}, "issuer": "carewarden", "audience": "ehr", "lifetime": "30s",
            });
            policy["authentication"]["smart"]["claim_headers"] = json!({"x-patient": "/patient", "x-scopes": "/scp"});
        });
        Stage::new(Options { policy, ..Options::default() })
    })
}

/// What an upstream does that trusts nobody who reaches it: a signature, an issuer, an audience, a time, and this request.
fn accepted(seen: &Seen) -> Result<Value, String> {
    let tokens = seen.all(HEADER);
    let [token] = tokens.as_slice() else { return Err(format!("{} tokens", tokens.len())) };
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_issuer(&["carewarden"]);
    rules.set_audience(&["ehr"]);
    rules.leeway = 0;
    let key = DecodingKey::from_secret(UPSTREAM_KEY.as_bytes());
    let claims = jsonwebtoken::decode::<Value>(token, &key, &rules).map_err(|error| error.to_string())?.claims;
    let path = URL_SAFE_NO_PAD.encode(Sha256::digest(&seen.path));
    if claims["method"] != *seen.method || claims["path_sha256"] != *path {
        return Err("for another request".to_owned());
    }
    Ok(claims)
}

#[track_caller]
fn vouched(request: &Request) -> Vec<(Value, Seen)> {
    let path = request.path.split('?').next().unwrap_or_default();
    stage().upstream.reply(path, Reply::fhir(&json!({ "resourceType": "Patient", "id": "p" })));
    let each = PROTOCOLS.map(|protocol| {
        let response = stage().send(protocol, request);
        assert_eq!(response.status, 200, "{protocol:?} {response:?}");
        let seen = stage().received(path);
        (accepted(&seen).unwrap_or_else(|problem| panic!("{protocol:?} {problem}: {seen:?}")), seen)
    });
    each.into()
}

#[test]
fn the_upstream_verifies_who_asks() {
    let token = Token::smart("dr-vouched", &["physician"]).claim("patient", "Patient/1").sign(Signer::Es256);
    for (claims, seen) in vouched(&Request::get("/fhir/Patient/vouched?_format=json").bearer(&token)) {
        assert_eq!((&claims["sub"], &claims["provider"]), (&json!("dr-vouched"), &json!("smart")));
        assert_eq!((&claims["roles"], &claims["patient"]), (&json!(["physician"]), &json!("Patient/1")));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 30);
        assert_eq!(seen.all("x-request-id"), [claims["jti"].as_str().unwrap()]);
    }
    for (claims, _) in vouched(&Request::get("/fhir/Patient/vouched-key").key(BILLING)) {
        assert_eq!((&claims["client"], &claims["provider"]), (&json!("billing-co"), &json!("partners")));
        assert_eq!(claims["roles"], json!(["billing"]));
    }
}

#[test]
fn a_request_with_a_body_is_vouched_for_too() {
    let request = Request::new("POST", "/small/vouched").header("content-type", "application/json").body("{}");
    for (claims, seen) in vouched(&request) {
        assert_eq!((&claims["method"], seen.body.as_slice()), (&json!("POST"), &b"{}"[..]));
    }
}

#[test]
fn a_forged_token_never_arrives_not_even_where_nobody_is_identified() {
    let forged = jsonwebtoken::encode(
        &jsonwebtoken::Header::new(Algorithm::HS256),
        &json!({"iss": "carewarden", "aud": "ehr", "exp": 4_000_000_000_u64, "sub": "admin", "roles": ["admin"]}),
        &jsonwebtoken::EncodingKey::from_secret(b"a key that the client made up, of 32 bytes"),
    )
    .unwrap();
    let forge = |request: Request| {
        let names = [HEADER, "X-Carewarden-Identity", "x_carewarden_identity", "x-carewarden_identity"];
        names.iter().fold(request, |request, name| request.header(name, &forged))
    };
    let known = Request::get("/fhir/Patient/forged-token").key(BILLING);
    for request in [known, Request::get("/plain/forged-token")] {
        for (claims, seen) in vouched(&forge(request.clone())) {
            assert_ne!(claims["sub"], "admin");
            assert!(!seen.headers.iter().any(|(_, value)| value == forged.as_bytes()), "{seen:?}");
            assert!(!seen.headers.iter().any(|(name, _)| name.contains('_')), "{seen:?}");
        }
    }
}

#[test]
fn an_anonymous_caller_is_vouched_for_as_nobody() {
    for (claims, _) in vouched(&Request::get("/plain/anonymous-token")) {
        assert_eq!((claims.get("sub"), claims.get("provider"), &claims["roles"]), (None, None, &json!([])));
    }
}

#[test]
fn a_token_for_one_request_is_none_for_another() {
    let [(_, one), (_, other)] = ["/plain/one-request", "/plain/other-request"].map(|path| {
        let mut seen = vouched(&Request::get(path));
        seen.remove(0)
    });
    let token = one.all(HEADER)[0].to_owned();
    let mut replayed = other;
    replayed.headers.retain(|(name, _)| name != HEADER);
    assert_eq!(accepted(&replayed), Err("0 tokens".to_owned()));
    replayed.headers.push((HEADER.to_owned(), token.into_bytes()));
    assert_eq!(accepted(&replayed), Err("for another request".to_owned()));
}

#[test]
fn claims_become_headers_that_no_client_can_set() {
    let get = || {
        let names = ["x-patient", "X-Patient", "x_patient", "x-scopes", "x_scopes"];
        names.iter().fold(Request::get("/fhir/Patient/claim-headers"), |request, name| request.header(name, "forged"))
    };
    let smart = || Token::smart("dr-claims", &["physician"]);
    let token = smart().claim("patient", "Patient/7").claim("scp", vec!["a", "b"]).sign(Signer::Es256);
    for (_, seen) in vouched(&get().bearer(&token)) {
        assert_eq!((seen.all("x-patient"), seen.all("x-scopes")), (vec!["Patient/7".to_owned()], vec!["a,b".to_owned()]));
        assert!(!seen.headers.iter().any(|(_, value)| value == b"forged"), "{seen:?}");
    }
    for (_, seen) in vouched(&get().bearer(&smart().sign(Signer::Es256))) {
        assert!(!seen.headers.iter().any(|(name, value)| value == b"forged" || name == "x-patient"), "{seen:?}");
    }
    let token = smart().claim("patient", "Patient/7\r\nx-carewarden-roles: admin").sign(Signer::Es256);
    stage().refuses(&get().bearer(&token), 401, "malformed_claim");
}
