use serde_json::json;

use super::super::{NoCertificate, NoHost, TokenCache};
use super::*;
use crate::http::Headers;
use crate::policy::diagnostic::Report;
use crate::policy::document::Node;

const NOW: i64 = 1_800_000_000;
const SECRET: &str = "a secret, with % and : in it";

fn compiled(change: impl FnOnce(&mut Value)) -> (Option<Introspection>, Vec<String>) {
    let mut model = json!({
        "cluster": "idp",
        "uri": "https://idp.example/introspect",
        "client_id": "care warden",
        "client_secret": { "env": "SECRET" },
        "audiences": ["api"],
        "claim_map": { "roles": "/scope" },
    });
    change(&mut model);
    let text = model.to_string();
    let mut report = Report::new(&text);
    let at = Node::parse(&text, &mut report).unwrap();
    let model = serde_json::from_value(model).unwrap();
    let env = |name: &str| (name == "SECRET").then(|| SECRET.to_owned());
    let provider = Introspection::compile(&"opaque".into(), &model, &at, &env, &mut report);
    (provider, report.into_vec().into_iter().map(|found| found.pointer).collect())
}

fn provider() -> Introspection {
    let (provider, found) = compiled(|_| ());
    assert!(found.is_empty(), "{found:?}");
    provider.unwrap()
}

fn key(token: &str) -> Key {
    TokenCache::key("authorization", token)
}

/// What a request that brings this token comes to, so many seconds after the beginning.
fn judge(provider: &Introspection, token: &str, after: u64) -> Result<Vec<String>, Halt> {
    let (now, cache) = (NOW + i64::try_from(after).unwrap(), TokenCache::new(0));
    let moment = at(after);
    let (certificate_sha256, certificate) = (&|| None, &NoCertificate);
    let context = Context { now, moment, verifier: &NoHost, cache: &cache, certificate_sha256, certificate, route: "api" };
    let principal = provider.judge(&key(token), token, &context)?;
    Ok(principal.roles.iter().map(|role| role.to_string()).collect())
}

fn at(after: u64) -> Duration {
    Duration::from_secs(NOW as u64 + after)
}

fn answer(body: &Value) -> Option<Answer> {
    Some(Answer { head: Headers::from_pairs([(":status", "200")]), body: Some(body.to_string().into_bytes()) })
}

fn active() -> Value {
    json!({ "active": true, "aud": "api", "sub": "dr-1", "scope": "read write" })
}

/// Asks about a token, and gives the result as metrics have it.
fn ask(provider: &Introspection, token: &str, body: Option<Answer>, after: u64) -> Result<&'static str, Failure> {
    assert_eq!(judge(provider, token, after), Err(Halt::Awaits(Duration::from_secs(2))));
    let calls = provider.poll(at(after));
    assert_eq!(calls.len(), 1);
    provider.answered(calls[0].0, body, at(after)).unwrap().result
}

const WAITS: Result<Vec<String>, Halt> = Err(Halt::Awaits(Duration::from_secs(2)));

fn refused(refusal: Refusal) -> Result<Vec<String>, Halt> {
    Err(Halt::Refused(refusal))
}

#[test]
fn a_token_is_asked_about_once_and_its_answer_believed_for_a_while() {
    let provider = provider();
    assert_eq!(judge(&provider, "t/1", 0), WAITS);
    assert_eq!(judge(&provider, "t/1", 0), WAITS);
    let calls = provider.poll(at(0));
    assert_eq!(calls.len(), 1);
    let (serial, call) = &calls[0];
    assert_eq!(String::from_utf8_lossy(&call.body), "token=t%2F1&token_type_hint=access_token");
    let head: HashMap<&str, &str> = call.head.iter().map(|(name, value)| (*name, &**value)).collect();
    // care%20warden:a%20secret%2C%20with%20%25%20and%20%3A%20in%20it
    let basic = "Basic Y2FyZSUyMHdhcmRlbjphJTIwc2VjcmV0JTJDJTIwd2l0aCUyMCUyNSUyMGFuZCUyMCUzQSUyMGluJTIwaXQ=";
    assert_eq!((head[":method"], head[":path"], head["authorization"]), ("POST", "/introspect", basic));
    assert_eq!(judge(&provider, "t/1", 0), WAITS);
    assert!(provider.poll(at(0)).is_empty(), "one call at a time");
    assert_eq!(provider.answered(*serial, answer(&active()), at(0)).unwrap().result, Ok("active"));
    assert!(provider.answered(*serial, answer(&json!({ "active": false })), at(0)).is_none(), "it was answered");
    let roles = Ok(vec!["read".to_owned(), "write".to_owned()]);
    assert_eq!(judge(&provider, "t/1", 0), roles);
    assert_eq!(judge(&provider, "t/1", 59), roles);
    assert_eq!(judge(&provider, "t/1", 60), WAITS);
}

#[test]
fn an_answer_holds_no_longer_than_the_token() {
    let provider = provider();
    let mut body = active();
    body["exp"] = json!(NOW + 10);
    assert_eq!(ask(&provider, "t", answer(&body), 0), Ok("active"));
    assert!(judge(&provider, "t", 39).is_ok(), "within the skew");
    assert_eq!(judge(&provider, "t", 40), refused(Refusal::Expired));
}

#[test]
fn what_the_answer_says_is_judged_like_a_token() {
    let cases = [
        (json!({ "active": false }), Ok("inactive"), Refusal::Inactive),
        (json!({ "active": "true", "aud": "api" }), Err(Failure::Malformed), Refusal::Unavailable),
        (json!({ "aud": "api" }), Err(Failure::Malformed), Refusal::Unavailable),
        (json!([true]), Err(Failure::Malformed), Refusal::Unavailable),
        (json!({ "active": true }), Ok("refused"), Refusal::MissingClaim),
        (json!({ "active": true, "aud": "other" }), Ok("refused"), Refusal::Audience),
        (json!({ "active": true, "aud": "api", "scope": 7 }), Ok("refused"), Refusal::MalformedClaim),
        (json!({ "active": true, "aud": "api", "cnf": { "jkt": "x" } }), Ok("refused"), Refusal::UnsupportedBinding),
    ];
    for (body, result, refusal) in cases {
        let provider = provider();
        assert_eq!(ask(&provider, "t", answer(&body), 0), result, "{body}");
        assert_eq!(judge(&provider, "t", 0), refused(refusal), "{body}");
    }
    let (provider, _) = compiled(|model| model["issuer"] = json!("https://idp.example"));
    let provider = provider.unwrap();
    for (token, issuer, expected) in [
        ("a", json!("https://idp.example"), None),
        ("b", json!("https://idp.example/"), Some(Refusal::UnknownIssuer)),
        ("c", json!(7), Some(Refusal::MalformedClaim)),
    ] {
        let mut body = active();
        body["iss"] = issuer;
        ask(&provider, token, answer(&body), 0).unwrap();
        assert_eq!(judge(&provider, token, 0).err(), expected.map(Halt::Refused), "{token}");
    }
    ask(&provider, "d", answer(&active()), 0).unwrap();
    assert_eq!(judge(&provider, "d", 0), refused(Refusal::MissingClaim));
}

#[test]
fn a_bad_token_and_a_server_that_is_down_cost_little_for_a_moment() {
    let provider = provider();
    ask(&provider, "bad", answer(&json!({ "active": false })), 0).unwrap();
    assert_eq!(judge(&provider, "bad", 9), refused(Refusal::Inactive));
    assert_eq!(judge(&provider, "bad", 10), WAITS);
    for body in [None, Some(Answer { head: Headers::from_pairs([(":status", "401")]), body: Some(Vec::new()) })] {
        let provider = self::provider();
        assert!(ask(&provider, "good", body, 0).is_err());
        assert_eq!(judge(&provider, "good", 0), refused(Refusal::Unavailable));
        assert_eq!(judge(&provider, "good", 1), WAITS);
    }
}

#[test]
fn an_answer_that_is_still_believed_outlives_the_server() {
    let provider = provider();
    ask(&provider, "known", answer(&active()), 0).unwrap();
    assert!(ask(&provider, "new", None, 30).is_err());
    assert!(judge(&provider, "known", 59).is_ok());
    assert!(ask(&provider, "known", None, 60).is_err());
    assert_eq!(judge(&provider, "known", 60), refused(Refusal::Unavailable));
}

#[test]
fn only_the_first_failure_in_a_row_is_news() {
    let provider = provider();
    let news = |token: &str, body: Option<Answer>| {
        assert_eq!(judge(&provider, token, 0), WAITS);
        let serial = provider.poll(at(0))[0].0;
        provider.answered(serial, body, at(0)).unwrap().is_news
    };
    assert!(news("a", None) && !news("b", None));
    assert!(!news("c", answer(&active())) && news("d", None));
}

#[test]
fn many_tokens_are_asked_about_a_few_at_a_time_and_no_more_than_so_many_wait() {
    let provider = provider();
    for number in 0..MAX_ASKED {
        assert_eq!(judge(&provider, &number.to_string(), 0), WAITS);
    }
    assert_eq!(judge(&provider, "one more", 0), refused(Refusal::Unavailable));
    let calls = provider.poll(at(0));
    assert_eq!((calls.len(), provider.poll(at(0)).len()), (MAX_UNDER_WAY, 0));
    provider.answered(calls[0].0, None, at(0)).unwrap();
    assert_eq!(provider.poll(at(0)).len(), 1);
    // Who waited is gone by then, and nobody else waits behind them.
    assert_eq!(provider.poll(at(3)).len(), 0);
    assert_eq!(judge(&provider, "a good one", 3), WAITS);
    assert_eq!(provider.poll(at(3)).len(), 0, "calls are still under way");
    // Calls whose answers never come are given up, and their tokens asked about when they come again.
    assert_eq!(judge(&provider, "a good one", 8), WAITS);
    assert_eq!(judge(&provider, "another", 8), WAITS);
    assert_eq!(provider.poll(at(8)).len(), 1);
    assert_eq!(provider.state.borrow().under_way.len(), 1);
}

#[test]
fn a_flood_of_answers_stays_within_its_bound() {
    let provider = provider();
    let long = json!({ "active": true, "aud": "api", "x": "x".repeat(10_000) });
    for number in 0..1_000 {
        assert!(ask(&provider, &number.to_string(), answer(&long), 0).is_ok());
    }
    let state = provider.state.borrow();
    assert!(state.known.weight() <= CACHE_BYTES && state.known.len() > 50, "{}", state.known.len());
    assert!(state.asked.is_empty() && state.under_way.is_empty());
}

#[test]
fn without_its_secret_nobody_is_asked() {
    let (provider, found) = compiled(|model| model["client_secret"] = json!({ "env": "ABSENT" }));
    assert_eq!(found, ["/client_secret/env"]);
    assert_eq!(judge(&provider.unwrap(), "t", 0), refused(Refusal::Unavailable));
}

#[test]
fn what_cannot_work_is_reported() {
    for (pointer, value, found) in [
        ("cluster", json!(""), "/cluster"),
        ("uri", json!("idp/introspect"), "/uri"),
        ("uri", json!("http://idp/introspect"), "/uri"),
        ("client_id", json!(""), "/client_id"),
        ("audiences", json!([]), "/audiences"),
        ("max_age", json!("2h"), "/max_age"),
        ("max_age", json!("0s"), "/max_age"),
        ("timeout", json!("1m"), "/timeout"),
        ("wait", json!("1m"), "/wait"),
        ("client_secret", json!({ "env": "SECRET", "previous": "OLD" }), "/client_secret/previous"),
    ] {
        assert_eq!(compiled(|model| model[pointer] = value.clone()).1, [found], "{pointer}: {value}");
    }
    let (_, found) = compiled(|model| {
        model["audiences"] = json!([]);
        model["allow_missing"] = json!(["aud"]);
    });
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn debug_output_holds_no_secret() {
    let provider = provider();
    assert_eq!(judge(&provider, "t", 0), WAITS);
    let shown = format!("{provider:?} {:?}", provider.poll(at(0)));
    assert!(!shown.contains("Basic") && !shown.contains("token="), "{shown}");
}
