//! Running it: a policy changed, a policy refused, shadow mode, an Envoy configured without what the filter needs.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::stage::{BILLING, CLINIC, Stage, clinic_with, physician};
use crate::support::client::PROTOCOLS;
use crate::support::config::Options;
use crate::support::message::Request;
use crate::support::upstream::Reply;

fn clinic_stage() -> Stage {
    Stage::new(Options { policy: CLINIC.to_owned(), ..Options::default() })
}

#[test]
fn a_bad_policy_is_refused_with_all_that_is_wrong_and_the_old_one_stays() {
    let stage = clinic_stage();
    let bad = clinic_with(|policy| {
        policy["routes"][0]["authorise"] = json!([]);
        policy["routes"][3]["addresses"]["allow"][0] = json!("10.0.0.0/33");
    });
    assert!(!stage.envoy.set_policy(&bad));
    for text in ["/routes/0/authorise", "did you mean `authorize`", "/routes/3/addresses/allow/0"] {
        assert!(stage.envoy.logs(text), "`{text}` in {}", stage.envoy.log());
    }
    assert!(!stage.envoy.set_policy("not json"));
    stage.allows(&Request::get("/fhir/Patient/old-policy").key(BILLING));
    stage.refuses(&Request::get("/fhir/Observation/old-policy").key(BILLING), 403, "no_rule_allows");
}

#[test]
fn a_new_policy_takes_the_place_of_the_old_one() {
    let stage = clinic_stage();
    stage.allows(&Request::get("/fhir/Patient/changed").key(BILLING));
    let without_billing = clinic_with(|policy| {
        let keys = policy["authentication"]["partners"]["keys"].as_array_mut().unwrap();
        keys.retain(|key| key["client"] != "billing-co");
    });
    assert!(stage.envoy.set_policy(&without_billing), "{}", stage.envoy.log());
    stage.refuses(&Request::get("/fhir/Patient/changed").key(BILLING), 401, "unknown_api_key");
    stage.allows(&Request::get("/fhir/Patient/changed").bearer(&physician()));
}

#[test]
fn without_a_valid_policy_nothing_is_let_through() {
    let stage = Stage::new(Options { policy: "{}".to_owned(), ..Options::default() });
    stage.upstream.reply("/fhir/metadata", Reply::new(200).body("ok"));
    for protocol in PROTOCOLS {
        let response = stage.send(protocol, &Request::get("/fhir/metadata"));
        assert!(response.status >= 500, "{protocol:?} {response:?}");
    }
    assert!(stage.upstream.all_seen().is_empty());
}

#[test]
fn a_policy_that_arrives_as_a_struct_is_refused_and_the_log_says_how_it_must_arrive() {
    let options = Options { policy: CLINIC.to_owned(), policy_as_struct: true, ..Options::default() };
    let stage = Stage::new(options);
    assert!(stage.send(PROTOCOLS[0], &Request::get("/fhir/metadata")).status >= 500);
    assert!(stage.envoy.logs("StringValue"), "{}", stage.envoy.log());
}

#[test]
fn in_shadow_mode_refusals_are_recorded_and_nothing_is_refused_or_redacted() {
    let policy = clinic_with(|policy| policy["mode"] = json!("shadow"));
    let stage = Stage::new(Options { policy, ..Options::default() });
    let patient = json!({ "resourceType": "Patient", "id": "1", "name": [{ "family": "Secret" }] });
    stage.upstream.reply("/fhir/Patient/shadow", Reply::fhir(&patient));
    for protocol in PROTOCOLS {
        let request = Request::get("/fhir/Patient/shadow").header("x-carewarden-client", "admin");
        let response = stage.send(protocol, &request.key("unknown"));
        assert_eq!((response.status, response.json()), (200, patient.clone()), "{protocol:?}");
        let received = stage.received("/fhir/Patient/shadow");
        assert!(received.all("x-carewarden-client").is_empty(), "{received:?}");
        assert_eq!(received.all("x-api-key"), ["unknown"], "credentials stay for an upstream that checks them");
    }
    for record in stage.envoy.audit("/fhir/Patient/shadow", 2) {
        let judged = (&record["shadow"], &record["decision"], &record["reason"]);
        assert_eq!(judged, (&json!(true), &json!("deny"), &json!("unknown_api_key")), "{record}");
    }
    let routes = serde_json::from_str::<Value>(CLINIC).unwrap()["routes"].as_array().unwrap().len();
    assert_eq!(stage.envoy.metric("carewarden.shadow_routes"), routes as u64);
}

#[test]
fn without_the_flag_that_holds_heads_a_held_stream_is_refused_in_time_and_the_log_names_the_flag() {
    let policy = clinic_with(|policy| policy["defaults"]["request"]["body_timeout"] = json!("1s"));
    let stage = Stage::new(Options { policy, hold_headers: false, ..Options::default() });
    stage.upstream.reply("/fhir/Patient", Reply::new(201));
    let start = Instant::now();
    for protocol in PROTOCOLS {
        let request = Request::post("/fhir/Patient", r#"{"resourceType":"Patient"}"#).bearer(&physician());
        let response = stage.send(protocol, &request);
        assert_eq!((response.status, response.reason().as_str()), (408, "body_timeout"), "{protocol:?} {response:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(stage.upstream.seen("/fhir/Patient").is_empty());
    assert!(stage.envoy.logs("allow_on_headers_stop_iteration"), "{}", stage.envoy.log());
}

#[test]
fn without_the_flag_a_held_answer_is_refused_in_time() {
    let policy = clinic_with(|policy| policy["defaults"]["request"]["body_timeout"] = json!("1s"));
    let stage = Stage::new(Options { policy, hold_headers: false, ..Options::default() });
    stage.upstream.reply("/fhir/Patient/held", Reply::fhir(&json!({ "resourceType": "Patient", "id": "Secret" })));
    for protocol in PROTOCOLS {
        let response = stage.send(protocol, &Request::get("/fhir/Patient/held").key(BILLING));
        assert_eq!((response.status, response.reason().as_str()), (502, "answer_timeout"), "{protocol:?} {response:?}");
        assert!(!response.text().contains("Secret"));
    }
}

#[test]
fn in_shadow_mode_a_body_that_takes_too_long_goes_on_without_what_was_forged() {
    let policy = clinic_with(|policy| {
        policy["mode"] = json!("shadow");
        policy["defaults"]["request"]["body_timeout"] = json!("1s");
    });
    let stage = Stage::new(Options { policy, ..Options::default() });
    stage.upstream.reply("/small/slow", Reply::new(200).body("ok"));
    let response = stage.client().converse_raw(|stream| {
        let head = "POST /small/slow HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\n\
            x-carewarden-client: admin\r\nx_carewarden_roles: admin\r\ncontent-length: 2\r\n\r\n{";
        drop(stream.write_all(head.as_bytes()));
        drop(stream.flush());
        thread::sleep(Duration::from_millis(2_500));
        drop(stream.write_all(b"}"));
    });
    assert_eq!(response.status, 200, "{response:?}");
    let received = stage.received("/small/slow");
    assert!(!received.headers.iter().any(|(name, _)| name.replace('_', "-").starts_with("x-carewarden")), "{received:?}");
    assert_eq!(received.body, b"{}");
    assert_eq!(stage.envoy.audit("/small/slow", 1)[0]["reason"], "body_timeout");
}

#[test]
fn what_comes_out_of_a_cache_behind_the_filter_is_redacted_like_any_answer() {
    let cache = json!({
        "name": "envoy.filters.http.cache",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.cache.v3.CacheConfig",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig" },
        },
    });
    let stage = Stage::new(Options { policy: CLINIC.to_owned(), behind: Some(cache), ..Options::default() });
    let patient = json!({ "resourceType": "Patient", "id": "1", "name": [{ "family": "Secret" }] });
    let now = OffsetDateTime::now_utc();
    let short = |name: String| name.chars().take(3).collect::<String>();
    let (weekday, month) = (short(now.weekday().to_string()), short(now.month().to_string()));
    let date = format!(
        "{weekday}, {:02} {month} {} {:02}:{:02}:{:02} GMT",
        now.day(),
        now.year(),
        now.hour(),
        now.minute(),
        now.second()
    );
    let reply = Reply::fhir(&patient).header("cache-control", "public, max-age=600").header("date", &date);
    stage.upstream.reply("/fhir/Patient/cached", reply);
    for _ in 0..2 {
        for protocol in PROTOCOLS {
            let response = stage.send(protocol, &Request::get("/fhir/Patient/cached").key(BILLING));
            assert_eq!((response.status, response.json()), (200, json!({ "resourceType": "Patient", "id": "1" })));
        }
    }
    assert_eq!(stage.upstream.seen("/fhir/Patient/cached").len(), 1, "the cache answered the others");
}
