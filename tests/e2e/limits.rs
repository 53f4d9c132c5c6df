//! Envoy's rate limits, keyed on what we established of a request and never on what a client claims.

use serde_json::{Value, json};

use crate::limiter::Limiter;
use crate::stage::{BILLING, RESEARCH, Stage, clinic_with};
use crate::support::client::Protocol;
use crate::support::config::Options;
use crate::support::message::{Request, Response};
use crate::support::token::{Signer, Token};
use crate::support::upstream::Reply;
use crate::support::vacant::Vacant;

const EXPR: &str = "type.googleapis.com/envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor";

/// A rate limit action that reads one of our filter states.
fn descriptor(name: &str) -> Value {
    let text = format!("filter_state['wasm.carewarden.{name}']");
    json!({ "extension": { "name": "envoy.rate_limit_descriptors.expr", "typed_config": {
        "@type": EXPR, "descriptor_key": name, "text": text, "skip_if_error": true,
    } } })
}

/// A `local_ratelimit` behind us that gives each of these descriptors three requests.
fn three_of_each(names: &[&str]) -> Value {
    let forever = |tokens: u32| json!({ "max_tokens": tokens, "tokens_per_fill": 1, "fill_interval": "600s" });
    let all = json!({ "default_value": { "numerator": 100 } });
    json!({ "name": "fairness", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "fairness",
        "token_bucket": forever(10_000),
        "filter_enabled": all,
        "filter_enforced": all,
        "max_dynamic_descriptors": 100,
        "rate_limits": names.iter().map(|name| json!({ "actions": [descriptor(name)] })).collect::<Vec<_>>(),
        "descriptors": names.iter().map(|name| json!({ "entries": [{ "key": name }], "token_bucket": forever(3) })).collect::<Vec<_>>(),
    } })
}

fn stage(descriptors: &[&str], options: Options) -> Stage {
    let policy = clinic_with(|policy| policy["rate_limit_descriptors"] = json!(descriptors));
    let stage = Stage::new(Options { policy, ..options });
    for path in ["/members/list", "/fhir/Patient/limited", "/inside/list"] {
        stage.upstream.reply(path, Reply::fhir(&json!({ "resourceType": "Patient", "members": [] })));
    }
    stage
}

fn subject(name: &str) -> Request {
    Request::get("/fhir/Patient/limited").bearer(&Token::smart(name, &["physician"]).sign(Signer::Es256))
}

fn statuses(stage: &Stage, request: &Request, count: usize) -> Vec<u16> {
    (0..count).map(|_| stage.send(Protocol::Http2, request).status).collect()
}

#[test]
fn each_subject_has_a_rate_of_its_own() {
    let stage = stage(&["client", "subject"], Options { behind: Some(three_of_each(&["subject"])), ..Options::default() });
    assert_eq!(statuses(&stage, &subject("dr-house"), 4), [200, 200, 200, 429]);
    assert_eq!(statuses(&stage, &subject("dr-wilson"), 4), [200, 200, 200, 429]);
    // A header that claims to be somebody else is another's bucket neither way.
    let claims = subject("dr-house").header("x-carewarden-subject", "dr-cuddy");
    assert_eq!(statuses(&stage, &claims, 1), [429]);
    // Keys have no subject, and no such limit.
    assert_eq!(statuses(&stage, &Request::get("/members/list").key(BILLING), 5), [200; 5]);
}

#[test]
fn each_route_has_a_rate_of_its_own() {
    let stage = stage(&["route"], Options { behind: Some(three_of_each(&["route"])), ..Options::default() });
    let inside = |key: &str| Request::get("/inside/list").key(key);
    assert_eq!(statuses(&stage, &inside(BILLING), 4), [200, 200, 200, 429]);
    assert_eq!(statuses(&stage, &inside(RESEARCH), 1), [429], "whoever asks");
    assert_eq!(statuses(&stage, &Request::get("/members/list").key(BILLING), 1), [200]);
    // What the query adds is no other route.
    assert_eq!(statuses(&stage, &Request::get("/inside/list?x=1").key(BILLING), 1), [429]);
}

#[test]
fn without_descriptors_nothing_is_said() {
    let stage = stage(&[], Options { behind: Some(three_of_each(&["client", "subject", "route"])), ..Options::default() });
    assert_eq!(statuses(&stage, &subject("dr-house"), 6), [200; 6]);
}

/// Envoy's `ratelimit` filter, as `envoy/compose/envoy.yaml` has it.
fn service(deny_when_down: bool) -> Value {
    json!({ "name": "fairness-of-all", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
        "domain": "carewarden",
        "timeout": "2s",
        "failure_mode_deny": deny_when_down,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "rate_limit_service": {
            "transport_api_version": "V3",
            "grpc_service": { "envoy_grpc": { "cluster_name": "ratelimit" } },
        },
        "rate_limits": [{ "actions": [descriptor("client")] }],
    } })
}

#[test]
fn a_rate_limit_service_is_asked_about_who_we_say_it_is() {
    let limiter = Limiter::start(3);
    let grpc_clusters = vec![("ratelimit".to_owned(), limiter.address)];
    let stage = stage(&["client"], Options { behind: Some(service(true)), grpc_clusters, ..Options::default() });
    let billing = Request::get("/members/list").key(BILLING).header("x-carewarden-client", "research-co");
    assert_eq!(statuses(&stage, &billing, 3), [200; 3]);
    let refused: Response = stage.send(Protocol::Http1, &billing);
    assert_eq!((refused.status, refused.header("x-ratelimit-limit").is_some()), (429, true), "{refused:?}");
    // One's flood leaves another alone, and what we refuse is never asked about.
    assert_eq!(statuses(&stage, &Request::get("/inside/list").key(RESEARCH), 3), [200; 3]);
    assert_eq!(statuses(&stage, &Request::get("/members/list").key("a guess"), 3), [401; 3]);
    let expected = [("client=billing-co", 4), ("client=research-co", 3)];
    let expected = expected.map(|(entry, count)| (vec![entry.to_owned()], count)).into();
    assert_eq!(limiter.asked(), expected);
}

#[test]
fn whether_a_service_that_is_down_refuses_is_said_in_the_configuration() {
    for (deny, status) in [(true, 500), (false, 200)] {
        let nobody = Vacant::new().unwrap();
        let grpc_clusters = vec![("ratelimit".to_owned(), nobody.address)];
        let stage = stage(&["client"], Options { behind: Some(service(deny)), grpc_clusters, ..Options::default() });
        assert_eq!(statuses(&stage, &Request::get("/members/list").key(BILLING), 1), [status], "deny: {deny}");
    }
}
