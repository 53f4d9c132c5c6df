//! Who asks, by client certificates that Envoy has validated.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::client::{PROTOCOLS, Protocol};
use crate::support::config::Options;
use crate::support::message::{End, Request, Response};
use crate::support::tls::{Certificates, ClientName};
use crate::support::token::{Signer, Token};
use crate::support::upstream::Reply;

/// The clients that have certificates, in the order of [`names`].
#[derive(Clone, Copy)]
enum Client {
    Billing,
    Deeper,
    Front,
    SecondName,
    Partner,
    OtherPartner,
    Nameless,
}

fn names() -> Vec<ClientName> {
    let billing = "spiffe://cluster.local/ns/billing/sa/claims";
    let front = "spiffe://cluster.local/ns/front/sa/web";
    let partner = |name| ClientName { uris: vec![], hosts: vec!["api.partner.example"], subject: Some((name, "Partner")) };
    vec![
        ClientName::uri(billing),
        ClientName::uri("spiffe://cluster.local/ns/billing/sa/claims/deeper"),
        ClientName::uri(front),
        // Envoy tells the first name alone.
        ClientName { uris: vec![front, billing], ..ClientName::default() },
        partner("one"),
        partner("three"),
        ClientName::default(),
    ]
}

fn policy() -> Value {
    let text = include_str!("../fixtures/exchange/places/policy.json");
    let mut policy: Value = serde_json::from_str(text).expect("the policy is JSON");
    for provider in policy["authentication"].as_object_mut().expect("providers").values_mut() {
        if provider["type"] == "jwt" {
            provider["secret"] = json!({ "env": "LEGACY_KEY" });
        }
    }
    policy
}

fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let stage = Stage::new(Options { policy: policy().to_string(), client_names: names(), ..Options::default() });
        stage.upstream.reply("/mixed/a", Reply::json(&json!({})));
        stage.upstream.reply("/both/a", Reply::json(&json!({})));
        stage
    })
}

fn token() -> String {
    Token::smart("n1", &[]).claim("iss", "https://bearer.example").claim("aud", "places").sign(Signer::Hs256)
}

fn send(client: Option<Client>, protocol: Protocol, request: &Request) -> Response {
    let own = stage().client();
    let own = client.map_or(own.clone(), |client| own.with_identity(&stage().envoy.identities[client as usize]));
    own.send(protocol, request)
}

#[track_caller]
fn allows(client: Option<Client>, request: &Request, provider: &str, name: &[&str]) {
    for protocol in PROTOCOLS {
        let response = send(client, protocol, request);
        assert_eq!(response.status, 200, "{protocol:?} {response:?}");
        // The path tells tests apart that run at the same time.
        let received = stage().received(&request.path);
        assert_eq!(received.all("x-carewarden-provider"), [provider]);
        assert_eq!(received.all("x-carewarden-client"), name);
    }
}

#[track_caller]
fn refuses(client: Option<Client>, request: &Request, reason: &str) {
    for protocol in PROTOCOLS {
        let response = send(client, protocol, request);
        assert_eq!((response.status, response.reason()), (401, reason.to_owned()), "{protocol:?} {response:?}");
    }
}

/// A request for a path of one test.
fn get(path: &str) -> Request {
    stage().upstream.reply(path, Reply::json(&json!({})));
    Request::get(path)
}

#[test]
fn the_first_uri_of_a_certificate_says_who_asks() {
    let billing = "spiffe://cluster.local/ns/billing/sa/claims";
    allows(Some(Client::Billing), &get("/mixed/uri"), "mesh", &[billing]);
    assert_eq!(stage().received("/mixed/uri").all("x-carewarden-roles"), ["reader"]);
    for other in [Client::Deeper, Client::Front, Client::SecondName, Client::Nameless] {
        refuses(Some(other), &get("/mixed/uri-refused"), "unknown_certificate");
    }
    assert!(stage().upstream.seen("/mixed/uri-refused").is_empty());
}

#[test]
fn dns_name_and_subject_say_who_asks() {
    allows(Some(Client::Partner), &get("/mixed/dns"), "hosts", &["partner"]);
    refuses(Some(Client::OtherPartner), &get("/mixed/dns-refused"), "unknown_certificate");
}

#[test]
fn the_digest_of_a_certificate_says_who_asks() {
    // Of an Envoy of its own: the certificates are made when it starts.
    let own = Stage::new(Options { policy: policy().to_string(), client_names: names(), ..Options::default() });
    let identity = own.envoy.identities[Client::Nameless as usize].clone();
    let mut policy = policy();
    policy["authentication"]["pinned"]["sha256"] = json!([identity.sha256().to_uppercase()]);
    assert!(own.envoy.set_policy(&policy.to_string()), "{}", own.envoy.log());
    own.upstream.reply("/mixed/digest", Reply::json(&json!({})));
    for protocol in PROTOCOLS {
        let response = own.client().with_identity(&identity).send(protocol, &Request::get("/mixed/digest"));
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(own.received("/mixed/digest").all("x-carewarden-client"), [identity.sha256()]);
        let other = own.envoy.identities[Client::Front as usize].clone();
        let response = own.client().with_identity(&other).send(protocol, &Request::get("/mixed/digest"));
        assert_eq!(response.reason(), "unknown_certificate");
    }
}

#[test]
fn without_a_certificate_nobody_is_known_by_one() {
    refuses(None, &get("/mixed/none"), "missing_credentials");
    for protocol in PROTOCOLS {
        let response = stage().envoy.plain().send(protocol, &get("/mixed/plain"));
        assert_eq!((response.status, response.reason()), (403, "tls_required".to_owned()));
    }
    assert!(stage().upstream.seen("/mixed/none").is_empty());
}

#[test]
fn under_any_a_certificate_counts_only_where_nothing_else_does() {
    allows(Some(Client::Billing), &get("/mixed/token").bearer(&token()), "bearer", &[]);
    allows(Some(Client::Front), &get("/mixed/token-beside").bearer(&token()), "bearer", &[]);
    refuses(Some(Client::Billing), &get("/mixed/bad-token").bearer("no token"), "malformed_credentials");
    refuses(Some(Client::Billing), &get("/mixed/bad-token").bearer("not.a.token"), "malformed_token");
    refuses(Some(Client::Billing), &get("/mixed/bad-key").header("cookie", "key=unknown"), "unknown_api_key");
    assert!(stage().upstream.seen("/mixed/bad-token").is_empty() && stage().upstream.seen("/mixed/bad-key").is_empty());
}

#[test]
fn under_all_both_have_to_be_there() {
    let billing = "spiffe://cluster.local/ns/billing/sa/claims";
    allows(Some(Client::Billing), &get("/both/good").bearer(&token()), "bearer,mesh", &[billing]);
    assert_eq!(stage().received("/both/good").all("x-carewarden-subject"), ["n1"]);
    refuses(None, &get("/both/refused").bearer(&token()), "missing_credentials");
    refuses(Some(Client::Billing), &get("/both/refused"), "missing_credentials");
    refuses(Some(Client::Front), &get("/both/refused").bearer(&token()), "unknown_certificate");
    refuses(Some(Client::Nameless), &get("/both/refused").bearer(&token()), "unknown_certificate");
    refuses(Some(Client::Billing), &get("/both/refused").bearer("not.a.token"), "malformed_token");
    assert!(stage().upstream.seen("/both/refused").is_empty());
}

#[test]
fn a_certificate_of_another_authority_does_not_get_as_far() {
    // What the README asks for: validated, and required.
    let required = Options {
        policy: policy().to_string(),
        client_names: names(),
        require_client_certificate: true,
        ..Options::default()
    };
    let own = Stage::new(required);
    own.upstream.reply("/mixed/a", Reply::json(&json!({})));
    let stranger = Certificates::with_clients(&["localhost"], &names()).expect("certificates").clients.remove(0);
    let good = own.envoy.identities[Client::Billing as usize].clone();
    let (ours, strangers) = (own.client().with_identity(&good), own.client().with_identity(&stranger));
    assert_eq!(ours.send(Protocol::Http1, &Request::get("/mixed/a")).status, 200);
    for client in [strangers, own.client()] {
        let response = client.send(Protocol::Http1, &Request::get("/mixed/a"));
        assert_eq!((response.status, response.end), (0, End::Cut), "{response:?}");
    }
    assert_eq!(own.upstream.all_seen().len(), 1);
}
