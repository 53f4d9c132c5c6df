//! That the harness itself tells the truth: without the filter, what the upstream says arrives.

use std::sync::OnceLock;

use serde_json::json;

use crate::support::client::{PROTOCOLS, Protocol};
use crate::support::config::Options;
use crate::support::envoy::Envoy;
use crate::support::message::{End, Request};
use crate::support::upstream::{Reply, Upstream};

fn proto() -> &'static (Envoy, Upstream) {
    static STAGE: OnceLock<(Envoy, Upstream)> = OnceLock::new();
    STAGE.get_or_init(|| {
        let upstream = Upstream::start();
        let envoy = Envoy::start(Options { policy: r#"{"version":1}"#.to_owned(), ..Options::default() }, &upstream);
        (envoy, upstream)
    })
}

#[test]
fn x_allows_denies_and_rejects_policy() {
    let (envoy, upstream) = proto();
    upstream.reply("/a", Reply::fhir(&json!({"resourceType": "Patient"})));
    for protocol in PROTOCOLS {
        let r = envoy.client().send(protocol, &Request::post("/a", "{}"));
        assert_eq!((r.status, r.end), (200, End::Whole), "{r:?}");
        let r = envoy.plain().send(protocol, &Request::get("/deny"));
        assert_eq!((r.status, r.end), (403, End::Whole), "{r:?}");
    }
    assert_eq!(upstream.seen("/deny").len(), 0);
    assert_eq!(upstream.seen("/a").len(), 2);
    assert_eq!(envoy.access_log("/deny", 2).len(), 2);
    assert!(!envoy.set_policy("{}"));
    assert!(envoy.logs("policy refused"));
    let r = envoy.client().send(Protocol::Http2, &Request::get("/a"));
    assert_eq!(r.status, 200);
    assert!(envoy.set_policy(r#"{"version":2}"#));
    let r = envoy.client().send(Protocol::Http2, &Request::get("/a"));
    assert_eq!(r.status, 200);
}

#[test]
fn x_bad_policy_at_start() {
    let upstream = Upstream::start();
    let envoy = Envoy::start(Options { policy: "{}".to_owned(), ..Options::default() }, &upstream);
    let r = envoy.client().send(Protocol::Http1, &Request::get("/a"));
    assert_eq!(r.status, 500, "{r:?}");
}
