use super::*;
use crate::http::Headers;
use crate::identity::NoHost;

const JSON: (&str, &str) = ("content-type", "application/json");

/// A connection over TLS.
pub(super) struct Connection {
    is_from_upstream: bool,
}

impl Facts for Connection {
    fn source(&self) -> Option<IpAddr> {
        None
    }
    fn is_tls(&self) -> bool {
        true
    }
    fn envoy_route(&self) -> Option<String> {
        None
    }
    fn certificate_sha256(&self) -> Option<[u8; 32]> {
        None
    }
    fn is_from_upstream(&self) -> bool {
        self.is_from_upstream
    }
}

pub(super) const UPSTREAM: &Connection = &Connection { is_from_upstream: true };
const ENVOY: &Connection = &Connection { is_from_upstream: false };

fn host(facts: &Connection) -> Host<'_> {
    Host { now_ns: 1, facts, verifier: &NoHost }
}

fn exchange(mode: &str) -> Exchange {
    let policy = format!(
        r#"{{"version": 1, "name": "p", "mode": "{mode}",
            "redaction": {{"some": {{"rules": [{{"key": "secret", "action": "remove"}}]}}}},
            "routes": [{{"name": "r", "match": {{"paths": ["/**"]}}, "authenticate": "none",
                "authorize": [{{"allow": {{}}}}], "response": {{"redact": [{{"apply": "some"}}]}}}}]}}"#
    );
    let (engine, found) = Engine::load(policy.as_bytes(), &|_| None);
    Exchange::new(&engine.unwrap_or_else(|| panic!("{found:?}")), 1)
}

fn head(fields: &[(&str, &str)]) -> Headers {
    Headers::from_pairs(fields.iter().copied())
}

/// An exchange whose request was sent on.
fn sent() -> Exchange {
    let mut exchange = exchange("enforce");
    let request = head(&[(":method", "GET"), (":path", "/x"), (":authority", "a")]);
    assert_eq!(exchange.request_head(Some(request), true, &host(UPSTREAM)).next, Next::Continue);
    exchange
}

fn answered(status: &str, fields: &[(&str, &str)], facts: &Connection) -> (Exchange, Effects) {
    let mut exchange = sent();
    let head = head(&[&[(":status", status)], fields].concat());
    let effects = exchange.answer_head(&|| Some(head.clone()), false, &host(facts));
    (exchange, effects)
}

fn piece(exchange: &mut Exchange, bytes: &[u8], end: bool) -> Effects {
    exchange.answer_body(bytes.len(), end, &|| Some(bytes.to_vec()))
}

#[test]
fn what_still_comes_of_an_answer_that_was_broken_off_never_leaves() {
    let (mut exchange, _) = answered("200", &[JSON], UPSTREAM);
    assert_eq!(piece(&mut exchange, b"{\"a\":1,", false).next, Next::Continue);
    assert_eq!(piece(&mut exchange, b"}", false).next, Next::Reset);
    for _ in 0..2 {
        assert_eq!(piece(&mut exchange, b"\"secret\":1}", true).next, Next::Reset);
        assert_eq!(exchange.answer_trailers().next, Next::Reset);
    }
}

#[test]
fn a_piece_that_could_not_be_read_whole_never_leaves() {
    for read in [0, 5] {
        let (mut exchange, _) = answered("200", &[JSON], UPSTREAM);
        let body = br#"{"secret":1}"#;
        let effects = exchange.answer_body(body.len(), true, &|| Some(body[..read].to_vec()));
        assert!(matches!(effects.next, Next::Reply(Reply { status: 500, .. })), "{read} {effects:?}");
    }
    let mut exchange = exchange("enforce");
    let request = head(&[(":method", "POST"), (":path", "/x"), (":authority", "a"), JSON]);
    assert!(matches!(exchange.request_head(Some(request), false, &host(UPSTREAM)).next, Next::Hold(_)));
    let effects = exchange.request_body(3, true, &|| Some(b"1".to_vec()), &host(UPSTREAM));
    assert!(matches!(effects.next, Next::Reply(Reply { status: 500, .. })), "{effects:?}");
}

#[test]
fn envoys_own_errors_pass_and_nothing_else_that_did_not_come_from_the_upstream() {
    let (mut exchange, effects) = answered("503", &[("content-type", "text/plain")], ENVOY);
    assert_eq!(effects, Effects::default());
    assert_eq!(piece(&mut exchange, b"no healthy upstream", true), Effects::default());
    // Out of a cache behind us, say.
    let (mut exchange, effects) = answered("200", &[JSON], ENVOY);
    assert!(matches!(effects.next, Next::Hold(_)), "{effects:?}");
    assert_eq!(piece(&mut exchange, br#"{"secret":1}"#, true).body.as_deref(), Some(&b"{}"[..]));
}

#[test]
fn what_was_not_read_is_turned_away_in_shadow_mode_too() {
    let mut unread = exchange("shadow");
    assert!(matches!(unread.request_head(None, true, &host(UPSTREAM)).next, Next::Reply(Reply { status: 400, .. })));
    let mut crowded = exchange("shadow");
    assert!(matches!(crowded.turn_away(Rule::OverCapacity.into(), 7).next, Next::Reply(Reply { status: 503, .. })));
    let record = crowded.close(2_000_007, None);
    assert_eq!((record.shadow, record.latency_ms), (false, 2));
}

#[test]
fn forged_names_go_even_when_a_body_in_shadow_mode_takes_too_long() {
    let mut exchange = exchange("shadow");
    let request =
        head(&[(":method", "POST"), (":path", "/x"), (":authority", "a"), JSON, ("x-carewarden-client", "admin")]);
    assert!(matches!(exchange.request_head(Some(request), false, &host(UPSTREAM)).next, Next::Hold(_)));
    let effects = exchange.timed_out();
    assert_eq!((effects.changes, effects.next), (vec![Change::Remove(b"x-carewarden-client".to_vec())], Next::Continue));
}

#[test]
fn an_answer_that_would_hold_more_than_there_is_room_for_is_refused() {
    let (mut held, _) = answered("200", &[JSON], UPSTREAM);
    assert!(matches!(piece(&mut held, b"{\"a", false).next, Next::Hold(_)));
    assert!(held.held_bytes() > 0);
    assert!(matches!(held.refuse_over_capacity().next, Next::Reply(Reply { status: 503, .. })));
    assert_eq!(held.held_bytes(), 0);
    let (mut left, _) = answered("200", &[JSON], UPSTREAM);
    assert_eq!(piece(&mut left, b"{\"a\":1,\"b", false).next, Next::Continue);
    assert_eq!(left.refuse_over_capacity().next, Next::Reset);
}

#[test]
fn an_answer_without_content_may_end_in_an_empty_piece_and_in_nothing_else() {
    for status in ["204", "304"] {
        let (mut empty, effects) = answered(status, &[], UPSTREAM);
        assert!(matches!(effects.next, Next::Hold(_)), "{effects:?}");
        assert_eq!(piece(&mut empty, b"", true).next, Next::Continue);
        let (mut full, _) = answered(status, &[], UPSTREAM);
        assert!(matches!(piece(&mut full, b"secret", true).next, Next::Reply(Reply { status: 502, .. })));
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, text).unwrap();
    encoder.finish().unwrap()
}

const GZIP: (&str, &str) = ("content-encoding", "gzip");

/// A body whose first half says enough to leave before the second is there.
fn long() -> Vec<u8> {
    let numbers: Vec<String> = (0_u32..2000).map(|number| number.wrapping_mul(2_654_435_761).to_string()).collect();
    format!(r#"{{"secret":"Doe","a":[{}]}}"#, numbers.join(",")).into_bytes()
}

#[test]
fn an_encoded_answer_is_decoded_piece_by_piece_and_what_it_keeps_is_counted() {
    let body = gzip(&long());
    let (mut exchange, effects) = answered("200", &[JSON, GZIP], UPSTREAM);
    assert!(effects.changes.contains(&Change::Remove(b"content-encoding".to_vec())), "{effects:?}");
    let mut plain = Vec::new();
    for part in body.chunks(1000) {
        let effects = piece(&mut exchange, part, false);
        plain.extend(effects.body.unwrap());
        assert!(exchange.held_bytes() >= 32 << 10);
    }
    assert_eq!(piece(&mut exchange, b"", true).next, Next::Continue);
    let plain = String::from_utf8(plain).unwrap();
    assert!(plain.starts_with(r#"{"a":[0,2654435761,"#) && plain.ends_with("]}"), "{plain}");
}

#[test]
fn an_encoded_answer_that_fails_after_its_beginning_has_left_is_broken_off() {
    let whole = gzip(&long());
    let (first, rest) = whole.split_at(whole.len() / 2);
    let wrong = [&rest[..rest.len() - 8], &[0; 8]].concat();
    let bomb = [rest, &gzip(&vec![b' '; 8 << 20])].concat();
    for (rest, end, reason) in [
        (&rest[..rest.len() - 1], true, "answer_encoding"),
        (&[rest, b"\0"].concat(), true, "answer_encoding"),
        (&wrong, false, "answer_encoding"),
        (&bomb, false, "answer_decoded_limit"),
    ] {
        let (mut exchange, _) = answered("200", &[JSON, GZIP], UPSTREAM);
        assert_eq!(piece(&mut exchange, first, false).next, Next::Continue);
        assert_eq!(piece(&mut exchange, rest, end).next, Next::Reset);
        let record = exchange.close(2, None);
        assert_eq!((record.reason, record.aborted), (reason, true));
    }
    let (mut exchange, _) = answered("200", &[JSON, GZIP], UPSTREAM);
    assert_eq!(piece(&mut exchange, &whole[..whole.len() - 1], false).next, Next::Continue);
    assert_eq!(exchange.answer_trailers().next, Next::Reset);
    let (mut exchange, _) = answered("200", &[JSON, GZIP], UPSTREAM);
    assert_eq!(piece(&mut exchange, &whole, false).next, Next::Continue);
    assert_eq!(exchange.answer_trailers().next, Next::Continue);
}

#[test]
fn lines_that_are_sent_are_redacted_one_by_one() {
    let policy = r#"{"version": 1, "name": "p",
        "redaction": {"some": {"security_tag": false, "rules": [{"path": "Patient.name", "action": "remove"}]}},
        "routes": [{"name": "r", "match": {"paths": ["/**"]}, "authenticate": "none", "authorize": [{"allow": {}}],
            "request": {"content_types": ["application/fhir+ndjson"], "redact": [{"apply": "some"}]}}]}"#;
    let (engine, found) = Engine::load(policy.as_bytes(), &|_| None);
    let mut exchange = Exchange::new(&engine.unwrap_or_else(|| panic!("{found:?}")), 1);
    let ndjson = ("content-type", "application/fhir+ndjson");
    let request = head(&[(":method", "POST"), (":path", "/x"), (":authority", "a"), ndjson, ("content-length", "1")]);
    assert!(matches!(exchange.request_head(Some(request), false, &host(UPSTREAM)).next, Next::Hold(_)));
    let line = "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"Doe\"}],\"active\":true}\n";
    let body = line.repeat(2).into_bytes();
    let effects = exchange.request_body(body.len(), true, &|| Some(body.clone()), &host(UPSTREAM));
    let expected = "{\"resourceType\":\"Patient\",\"active\":true}\n".repeat(2);
    assert_eq!(effects.body.as_deref(), Some(expected.as_bytes()));
    let length = Change::Set("content-length".into(), expected.len().to_string().into_bytes());
    assert!(effects.changes.contains(&length), "{effects:?}");
    let record = exchange.close(2, None);
    assert_eq!((record.request_profile.as_deref(), record.request_redacted, record.redacted), (Some("some"), 2, 0));
}

/// What is found in a policy with one `fhir` route, as codes and pointers.
fn found_in(authorize: &str, response: &str) -> Vec<String> {
    let policy = format!(
        r#"{{"version": 1, "name": "p", "authentication": {{"k": {{"type": "api_key", "header": "x-key", "keys": []}}}},
            "redaction": {{"some": {{"rules": [{{"key": "secret", "action": "remove"}}]}}}},
            "routes": [{{"name": "r", "match": {{"paths": ["/f/**"]}}, "fhir": {{"base": "/f"}},
                "authenticate": {{"any": ["k"]}}, "authorize": [{authorize}], "response": {response}}}]}}"#
    );
    let (_, found) = Engine::load(policy.as_bytes(), &|_| None);
    let of_route = found.iter().filter(|found| found.pointer.starts_with("/routes"));
    of_route.map(|found| format!("{} {}", found.code.as_str(), found.pointer)).collect()
}

#[test]
fn a_ratio_that_decodes_nothing_or_limits_nothing_is_refused() {
    let of = |decode: &str| {
        found_in(r#"{"allow": {"search": []}}"#, &format!(r#"{{"redact": [{{"apply": "some"}}], "decode": {decode}}}"#))
    };
    for right in ["{}", r#"{"max_ratio": 1}"#, r#"{"max_ratio": 1032, "max_size": "1GiB"}"#] {
        assert!(of(right).is_empty(), "{right} {:?}", of(right));
    }
    for wrong in [r#"{"max_ratio": 0}"#, r#"{"max_ratio": 1033}"#] {
        assert_eq!(of(wrong), ["invalid-value /routes/0/response/decode/max_ratio"], "{wrong}");
    }
}

#[test]
fn a_rule_whose_searches_take_nothing_is_told() {
    let redacted = r#"{"redact": [{"apply": "some"}]}"#;
    let by_provider = r#"{"redact": [{"when": {"providers": ["k"]}, "apply": "none"}, {"apply": "some"}]}"#;
    let told = ["risky /routes/0/authorize/0/allow"];
    for (rule, response, expected) in [
        (r#"{"allow": {}}"#, redacted, &told[..]),
        (r#"{"allow": {"interactions": ["search"]}}"#, redacted, &told),
        (r#"{"allow": {"interactions": ["read"]}}"#, redacted, &[]),
        (r#"{"allow": {"search": []}}"#, redacted, &[]),
        (r#"{"allow": {"search": ["identifier"]}}"#, redacted, &[]),
        (r#"{"allow": {}}"#, r#"{"redact": [{"apply": "none"}]}"#, &[]),
        (r#"{"allow": {"providers": ["k"]}}"#, by_provider, &[]),
        (r#"{"allow": {}}"#, by_provider, &told),
    ] {
        assert_eq!(found_in(rule, response), expected, "{rule} {response}");
    }
}

#[test]
fn what_rate_limits_are_told_has_to_be_there_to_tell() {
    let policy = |descriptors: &str, audit: &str| {
        format!(
            r#"{{"version": 1, "name": "p", "rate_limit_descriptors": {descriptors}, "audit": {audit},
                "routes": [{{"name": "r", "match": {{"paths": ["/**"]}}, "authenticate": "none",
                    "authorize": [{{"allow": {{}}}}]}}]}}"#
        )
    };
    let secret = |_: &str| Some("an audit key of these tests, of 32 bytes".to_owned());
    for (descriptors, audit, expected) in [
        (r#"["client", "route"]"#, "{}", None),
        (r#"["subject"]"#, r#"{"key": {"env": "KEY"}}"#, None),
        ("[]", "{}", None),
        (r#"["subject"]"#, "{}", Some("/rate_limit_descriptors/0")),
        (r#"["client", "client"]"#, "{}", Some("/rate_limit_descriptors/1")),
        (r#"["address"]"#, "{}", Some("/rate_limit_descriptors/0")),
    ] {
        let (engine, found) = Engine::load(policy(descriptors, audit).as_bytes(), &secret);
        let errors = found.iter().filter(|found| found.severity == crate::policy::diagnostic::Severity::Error);
        let places: Vec<&str> = errors.map(|found| found.pointer.as_str()).collect();
        assert_eq!(places, Vec::from_iter(expected), "{descriptors} {audit}");
        assert_eq!(engine.is_some(), expected.is_none());
    }
}
