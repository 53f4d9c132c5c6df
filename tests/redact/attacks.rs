//! What someone would try who wants a value past the rules, byte for byte.

use std::rc::Rc;

use carewarden::redact::{Error, Format, Options, Program, Redactor};
use serde_json::json;

use crate::support::{program, run, run_every_way};

const SECRET: &[u8] = b"SECRET";

fn without_ssn() -> Rc<Program> {
    program(&json!({"rules": [{"key": "ssn", "action": "remove"}]}))
}

fn holds_secret(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET)
}

/// Whatever it is, refused or not, the secret does not leave, however it is cut.
fn never_leaves(program: &Rc<Program>, format: Format, input: &[u8]) {
    let options = Options::new(format);
    let name = input.escape_ascii().to_string();
    assert!(holds_secret(input), "{name}: there is nothing to protect");
    for cut in 0..=input.len() {
        let (first, second) = input.split_at(cut);
        assert!(!holds_secret(&run(program, options, [first, second]).output), "{name}: cut at {cut}");
    }
    assert!(!holds_secret(&run(program, options, input.chunks(1)).output), "{name}: byte by byte");
}

#[test]
fn a_covered_value_never_leaves_whatever_its_key_is_written_as() {
    for input in [
        &br#"{"ssn":"SECRET"}"#[..],
        br#"{"s\u0073n":"SECRET"}"#,
        br#"{"\u0073\u0073\u006e":"SECRET","a":1}"#,
        br#"{"\u0073\u0073\u006E":["SECRET"]}"#,
        br#"{"ssn":1,"ssn":"SECRET"}"#,
        br#"{"ssn":1,"s\u0073n":"SECRET"}"#,
        br#"{"ssn" : {"a":"SECRET"} , "ssn" : "SECRET"}"#,
        br#"{"a":[{"b":{"ssn":{"ssn":"SECRET"}}}]}"#,
        b"{\"ssn\":\"SECRET\xff\"}",
        b"{\"ssn\":\"SECRET\"\xff}",
        b"{\"ssn\":\"SECRET\\ud800\"}",
        b"{\"ssn\":\"SECRET",
        b"{\"a\":1,\"ssn\":\"SECRET\"]}",
        b"{\"ssn\":\"SECRET\"} {\"a\":1}",
        b"\xef\xbb\xbf{\"ssn\":\"SECRET\"}",
        br#""SECRET""#,
        br#"{"_ssn":{"extension":[{"valueString":"SECRET"}]},"ssn":"x"}"#,
    ] {
        never_leaves(&without_ssn(), Format::Json, input);
    }
}

#[test]
fn a_resource_is_what_its_only_type_says() {
    let program = program(&json!({"rules": [{"path": "Patient.name", "action": "remove"}]}));
    for input in [
        &br#"{"resourceType":"Patient","name":"SECRET"}"#[..],
        br#"{"name":"SECRET","resourceType":"Patient"}"#,
        br#"{"name":"SECRET","resource\u0054ype":"Patient"}"#,
        br#"{"name":"SECRET","resourceType":"P\u0061tient"}"#,
        br#"{"name":"SECRET","resourcetype":"Patient"}"#,
        br#"{"name":"SECRET","resourceType":"patient"}"#,
        br#"{"name":"SECRET","resourceType":"Patient "}"#,
        br#"{"name":"SECRET"}"#,
        br#"[{"resourceType":"Patient","name":"SECRET"}]"#,
        br#"{"resourceType":"Patient","contained":[{"resourceType":"Patient","name":"SECRET"}]}"#,
        br#"{"resourceType":"Patient","name":"SECRET","resourceType":"Observation"}"#,
        br#"{"resourceType":"Bundle","entry":[{"resource":{"name":"SECRET","resourceType":"Patient"}}]}"#,
        br#"{"resourceType":"Bundle","entry":[{"name":{"resourceType":"Patient","name":"SECRET"}}]}"#,
        br#"{"entry":[{"resource":{"name":"SECRET","resourceType":"Patient"}}],"resourceType":"Bundle"}"#,
        br#"{"entry":[{"resource":{"name":"SECRET","resourceType":"Patient"}}],"resourceType":"List"}"#,
    ] {
        never_leaves(&program, Format::FhirJson, input);
    }
}

#[test]
fn a_condition_cannot_be_talked_out_of_by_order_or_repetition() {
    let program = program(&json!({"rules": [
        {"key": "value", "where": {"system": "mrn"}, "action": "remove"}, {"key": "gone", "action": "remove"}]}));
    for input in [
        &br#"[{"system":"mrn","value":"SECRET"}]"#[..],
        br#"[{"value":"SECRET","system":"mrn"}]"#,
        br#"[{"value":"SECRET","\u0073ystem":"\u006drn"}]"#,
        br#"[{"system":"x","value":"SECRET","system":"mrn"}]"#,
        br#"[{"system":"x","value":"SECRET","s\u0079stem":"mrn"}]"#,
        br#"[{"system":"x","value":"SECRET","gone":1,"system":"mrn"}]"#,
        br#"[{"value":"SECRET","gone":1,"system":"x","gone":1,"system":"mrn"}]"#,
        br#"[{"system":["mrn"],"value":"SECRET"}]"#,
        br#"[{"value":"SECRET","system":{"mrn":"mrn"}}]"#,
        br#"[{"value":"SECRET","system":"mrn"#,
    ] {
        never_leaves(&program, Format::Json, input);
    }
}

#[test]
fn bytes_that_are_not_unicode_are_refused_wherever_they_stand() {
    for bytes in [
        &b"\x80"[..],
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x80\x80\xaf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xff",
        b"\xe2\x82",
        br"\ud83d",
        br"\ude00",
        br"\ud83d\ud83d",
        br"\ud83dx",
    ] {
        let places: [(&[u8], &[u8]); 4] =
            [(b"{\"", b"\":1}"), (b"{\"a\":\"", b"\"}"), (b"{\"ssn\":\"", b"\"}"), (b"{\"x\":{\"y\":[\"", b"\"]}}")];
        for (before, after) in places {
            let input = [before, bytes, after].concat();
            let outcome = run_every_way("bytes", &without_ssn(), Options::new(Format::Json), &input);
            let name = outcome.verdict.map_err(Error::name);
            assert_eq!(name, Err("invalid_unicode"), "{}", input.escape_ascii());
        }
    }
}

#[test]
fn nesting_is_bounded_by_the_limit_and_not_by_the_stack() {
    let options = Options::new(Format::Json);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let depth = options.limits.max_depth;
        let within = format!("{}{}{}", open.repeat(depth), if open == "[" { "" } else { "1" }, close.repeat(depth));
        assert_eq!(run(&without_ssn(), options, [within.as_bytes()]).verdict, Ok(()), "{open}");
        let beyond = open.repeat(100_000);
        let outcome = run(&without_ssn(), options, [beyond.as_bytes()]);
        assert_eq!(outcome.verdict.map_err(Error::name), Err("over_limit"), "{open}");
    }
}

#[test]
fn an_object_of_very_many_keys_is_refused() {
    let keys: Vec<String> = (0..5000).map(|index| format!("\"k{index}\":0")).collect();
    let input = format!("{{{}}}", keys.join(","));
    let outcome = run(&without_ssn(), Options::new(Format::Json), [input.as_bytes()]);
    assert_eq!(outcome.verdict.map_err(Error::name), Err("over_limit"));
}

#[test]
fn what_an_action_has_to_see_whole_is_bounded() {
    let program = program(&json!({"rules": [{"key": "ssn", "action": {"mask": {}}}]}));
    let mut options = Options::new(Format::Json);
    options.limits.max_string = 20;
    for (length, verdict) in [(20, Ok(())), (21, Err(Error::LongString)), (4000, Err(Error::LongString))] {
        let input = format!("{{\"ssn\":\"{}\"}}", "x".repeat(length));
        assert_eq!(run_every_way("length", &program, options, input.as_bytes()).verdict, verdict, "{length}");
    }
}

/// What is at hand at any moment: twice the limit and a piece, whatever comes.
#[test]
fn nothing_is_collected_from_an_endless_answer() {
    let program = program(&json!({"rules": [
        {"key": "ssn", "action": "remove"},
        {"key": "a", "where": {"s": 1}, "action": {"mask": {}}}]}));
    let endless: [(&[u8], &[u8]); 6] = [
        (b"{\"b\":\"", b"text without an end "),
        (b"{\"ssn\":\"", b"text without an end "),
        (b"{\"ssn\":[", b"{\"x\":1},"),
        (b"[", b"{\"ssn\":1,\"b\":[1,2]},"),
        (b"[", b"{\"a\":\"x\",\"s\":1},"),
        (b"[", b"\"text\", \n"),
    ];
    for (begin, more) in endless {
        let mut redactor = Redactor::new(Rc::clone(&program), Options::new(Format::Json));
        let mut out = Vec::new();
        redactor.write(begin, &mut out).expect("it begins well");
        let piece = more.repeat(500);
        for _ in 0..200 {
            out.clear();
            redactor.write(&piece, &mut out).unwrap_or_else(|error| panic!("{}: {error}", more.escape_ascii()));
            assert!(out.len() <= 2 * piece.len(), "{}", more.escape_ascii());
        }
    }
    for (begin, more) in [(&b"["[..], &b" "[..]), (b"{\"s\":1,\"x\":[", b"1,"), (b"[{\"", b"k"), (b"[", b"1")] {
        let mut redactor = Redactor::new(Rc::clone(&program), Options::new(Format::Json));
        let mut out = Vec::new();
        redactor.write(begin, &mut out).expect("it begins well");
        let refused = (0..2000).find_map(|_| redactor.write(&more.repeat(1000), &mut out).err());
        let held_object = begin.starts_with(b"{");
        assert!(refused.is_some() != held_object, "{}", begin.escape_ascii());
    }
}

#[test]
fn an_answer_that_ended_takes_nothing_more() {
    let mut redactor = Redactor::new(without_ssn(), Options::new(Format::Json));
    let mut out = Vec::new();
    assert_eq!(redactor.write(b"{}", &mut out), Ok(()));
    assert_eq!(redactor.finish(), Ok(()));
    assert_eq!((redactor.write(b" ", &mut out), redactor.finish()), (Err(Error::Ended), Err(Error::Ended)));
    assert_eq!(out, b"{}");
}

#[test]
fn everything_has_left_when_the_root_closes() {
    for format in [Format::Json, Format::Ndjson] {
        let mut redactor = Redactor::new(without_ssn(), Options::new(format));
        let mut out = Vec::new();
        redactor.write(br#"{"ssn":1,"a":"#, &mut out).expect("it begins well");
        redactor.write(b"2} \n", &mut out).expect("it ends well");
        assert_eq!(out, b"{\"a\":2} \n");
        assert_eq!(redactor.finish(), Ok(()));
    }
}

#[test]
fn no_error_and_no_debug_text_holds_what_came() {
    let outcome = run(&without_ssn(), Options::new(Format::Json), [&br#"{"a":"SECRET","a":1}"#[..]]);
    let error = outcome.verdict.expect_err("it is refused");
    assert_eq!(format!("{error} {error:?}"), "malformed: repeated key Malformed(RepeatedKey)");
    let program = program(&json!({"rules": [{"key": "a", "action": {"hash": {"key": {"env": "PHI_KEY"}}}}]}));
    assert!(!format!("{program:?}").contains("0123456789abcdef"));
}

#[test]
fn an_id_in_a_header_is_treated_as_in_a_body() {
    let hashing = program(&json!({"rules": [{"path": "Patient.id", "action": {"hash": {"key": {"env": "PHI_KEY"}}}}]}));
    let body = run(&hashing, Options::new(Format::FhirJson), [&br#"{"resourceType":"Patient","id":"7"}"#[..]]).output;
    let hash = String::from_utf8(body)
        .expect("it is text")
        .replace(r#"{"resourceType":"Patient","id":""#, "")
        .replace(r#""}"#, "");
    let expected = format!("https://x/fhir/Patient/{hash}/_history/1");
    assert_eq!(hashing.locator("https://x/fhir/Patient/7/_history/1").as_deref(), Some(&*expected));
    let current = format!("https://x/fhir/Patient/{hash}");
    assert_eq!(hashing.locator("https://x/fhir/Patient/7/_history/20240131").as_deref(), Some(&*current));
    assert_eq!(hashing.locator("https://x/by-mrn/12345/Patient/7"), None);
    assert_eq!(hashing.locator("https://x/fhir/Group/7").as_deref(), Some("https://x/fhir/Group/7"));
    assert_eq!(hashing.locator("https://x/fhir/Patient?name=Doe"), None);
    for rules in [
        json!([{"key": "id", "action": "remove"}]),
        json!([{"path": "Patient", "action": "remove"}]),
        json!([{"key": "id", "where": {"a": 1}, "action": "keep"}, {"json_path": "$.id", "action": {"mask": {}}}]),
    ] {
        assert_eq!(program(&json!({"rules": rules})).locator("Patient/7"), None);
    }
    assert_eq!(program(&json!({})).locator("anything").as_deref(), Some("anything"));
}

#[test]
fn the_room_of_a_large_piece_is_not_kept_while_the_next_one_is_awaited() {
    let (mut redactor, mut out) = (Redactor::new(without_ssn(), Options::new(Format::Json)), Vec::new());
    redactor.write(b"{\"a", &mut out).unwrap();
    let large = [&b"\":\""[..], &[b'x'; 1 << 20], b"\",\"ss"].concat();
    redactor.write(&large, &mut out).unwrap();
    assert!(redactor.held_bytes() < 16 << 10, "{}", redactor.held_bytes());
    redactor.write(b"n\":\"SECRET\"}", &mut out).unwrap();
    assert!(redactor.finish().is_ok() && out.ends_with(b"xx\"}") && !holds_secret(&out));
}

#[test]
fn a_resource_that_waits_for_its_end_is_held_once_however_small_the_pieces_are() {
    let program = program(&json!({"rules": [{"type": "Extension", "action": "remove"}]}));
    let names = vec![json!({"family": "x".repeat(80)}); 2_000];
    let entry = json!({"resource": {"resourceType": "Patient", "name": names}});
    let input = json!({"resourceType": "Bundle", "entry": [entry]}).to_string();
    let mut redactor = Redactor::new(program, Options::new(Format::FhirJson));
    let (mut out, mut held) = (Vec::new(), 0);
    for piece in input.as_bytes().chunks(1) {
        redactor.write(piece, &mut out).expect("it is FHIR");
        held = held.max(redactor.held_bytes());
    }
    assert_eq!(redactor.finish(), Ok(()));
    assert_eq!(out.len(), input.len());
    assert!((150_000..300_000).contains(&held), "{held} bytes were held");
}

/// Ten megabytes in one string, in pieces as Envoy gives them.
#[test]
fn a_string_of_ten_megabytes_streams_goes_or_is_refused_and_is_never_collected() {
    let program = program(&json!({"rules": [
        {"key": "ssn", "action": "remove"}, {"key": "masked", "action": {"mask": {}}},
        {"key": "replaced", "action": {"replace": "z"}}, {"key": "kept", "action": "keep"},
        {"key": "v", "where": {"s": "x"}, "action": "remove"}]}));
    let long = "SECRET \\u00e9 \\\" text".repeat(500_000);
    assert!(long.len() > 9_000_000);
    let whole = format!("{{\"plain\":\"{long}\"}}");
    for (before, after, expected) in [
        ("{\"plain\":\"", "\"}", Ok(whole.len())),
        ("{\"kept\":\"", "\"}", Ok(whole.len() - 1)),
        ("{\"ssn\":\"", "\",\"a\":1}", Ok(7)),
        ("{\"ssn\":[\"", "\"],\"a\":1}", Ok(7)),
        ("{\"replaced\":\"", "\",\"a\":1}", Ok(22)),
        ("{\"masked\":\"", "\"}", Err("over_limit")),
        ("{\"", "\":1}", Err("over_limit")),
        ("{\"v\":1,\"s\":\"", "\"}", Err("over_limit")),
        ("{\"s\":\"x\",\"v\":\"", "\",\"a\":1}", Ok(15)),
        ("\"", "\"", Err("root_scalar")),
    ] {
        let mut redactor = Redactor::new(Rc::clone(&program), Options::new(Format::Json));
        let (mut out, mut held, input) = (Vec::new(), 0, [before, &long, after].concat());
        let written = input.as_bytes().chunks(64 << 10).try_for_each(|piece| {
            redactor.write(piece, &mut out)?;
            held = held.max(redactor.held_bytes());
            Ok(())
        });
        let verdict = written.and_then(|()| redactor.finish()).map(|()| out.len()).map_err(Error::name);
        assert_eq!(verdict, expected, "{before}");
        assert!(held < 1 << 20, "{before}: {held} bytes were held");
        let stays = before.contains("plain") || before.contains("kept");
        assert!(stays || !holds_secret(&out), "{before}: some of it left");
    }
}

#[test]
fn a_million_brackets_empty_members_or_keys_take_no_more_room_than_is_allowed() {
    for (begin, more, end) in
        [("[", "[],{},[[]],", "0]"), ("{\"a\":[", "{\"ssn\":{}},", "{\"b\":{}}]}"), ("[", "{\"\":{\"\":[]}},", "null]")]
    {
        let mut redactor = Redactor::new(without_ssn(), Options::new(Format::Json));
        let (mut out, mut held) = (Vec::new(), 0);
        let input = [begin, &more.repeat(100_000), end].concat();
        for piece in input.as_bytes().chunks(10_007) {
            redactor.write(piece, &mut out).expect("it is JSON");
            held = held.max(redactor.held_bytes());
        }
        assert_eq!(redactor.finish(), Ok(()));
        assert!(held < 1 << 20, "{begin}{more}: {held} bytes were held");
    }
}
