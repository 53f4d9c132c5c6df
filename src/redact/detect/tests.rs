//! The cases of `tests/fixtures/detectors.json`, and what holds of every text.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::*;

/// Texts that one list of detectors reads. `form` is `text`; `raw`, JSON as it stands between quotes; `xhtml`; or
/// `raw xhtml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    scan: serde_json::Value,
    form: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    text: String,
    /// Absent when nothing is found.
    masked: Option<String>,
}

const ALL: &str = r#"["us_ssn", "phone", "email", "ip", "url", "date", "us_zip", "mrn", "npi", "mbi", "payment_card"]"#;

fn compiled(scan: &str) -> (Detectors, Vec<String>) {
    let mut report = Report::new(scan);
    let node = Node::parse(scan, &mut report).unwrap();
    let detectors = Detectors::compile(&serde_json::from_str(scan).unwrap(), &node, &mut report);
    (detectors, report.into_vec().iter().map(ToString::to_string).collect())
}

fn detectors(scan: &str) -> Detectors {
    let (detectors, problems) = compiled(scan);
    assert_eq!(problems, [""; 0]);
    detectors
}

/// What is written for `raw`, without quotes, and how many matches there were.
fn masked(detectors: &Detectors, raw: &str, is_xhtml: bool) -> (String, u32) {
    let mut out = Vec::new();
    let write = if is_xhtml { Detectors::write_xhtml } else { Detectors::write };
    let count = write(detectors, raw.as_bytes(), &mut out).unwrap();
    assert_eq!(count == 0, out.is_empty());
    let written = String::from_utf8(out).unwrap();
    let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    (inner.map_or_else(|| raw.to_owned(), str::to_owned), count)
}

fn raw(text: &str, form: &str) -> String {
    if form.starts_with("raw") {
        return text.to_owned();
    }
    let quoted = serde_json::to_string(text).unwrap();
    quoted.get(1..quoted.len() - 1).unwrap().to_owned()
}

fn groups() -> Vec<Group> {
    serde_json::from_str(include_str!("../../../tests/fixtures/detectors.json")).unwrap()
}

#[test]
fn every_case_is_masked_as_its_fixture_says() {
    let mut wrong = Vec::new();
    for Group { scan, form, cases } in groups() {
        let detectors = detectors(&scan.to_string());
        let mut names = BTreeSet::new();
        for Case { name, text, masked: wanted } in cases {
            assert!(names.insert(name.clone()), "two cases of {scan} are called {name}");
            let wanted = wanted.unwrap_or_else(|| text.clone());
            let (found, _) = masked(&detectors, &raw(&text, &form), form.ends_with("xhtml"));
            let wanted = raw(&wanted, &form);
            if found != wanted {
                wrong.push(format!("{scan} {form}, {name}:\n  wanted {wanted}\n  found  {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_detector_has_eight_cases_of_each_side() {
    for known in KNOWN {
        let groups = groups();
        let own = groups.iter().find(|group| group.scan == serde_json::json!([known.text])).unwrap();
        let found = own.cases.iter().filter(|case| case.masked.is_some()).count();
        assert!(found >= 8 && own.cases.len() - found >= 8, "{}: {found} of {}", known.text, own.cases.len());
    }
}

#[test]
fn what_was_masked_stays_as_it_is() {
    for Group { scan, form, cases } in groups() {
        let detectors = detectors(&scan.to_string());
        for Case { name, text, masked: wanted } in cases {
            let wanted = raw(&wanted.unwrap_or(text), &form);
            let again = masked(&detectors, &wanted, form.ends_with("xhtml"));
            assert_eq!(again, (wanted, 0), "{scan} {name}");
        }
    }
}

#[test]
fn matches_are_counted_wherever_they_stand() {
    let detectors = detectors(ALL);
    for (text, count) in [("", 0), ("123-45-6789", 1), ("é123", 0), ("123-45-6789 a@b.org 123-45-6789", 3)] {
        assert_eq!(masked(&detectors, text, false).1, count, "{text}");
        assert_eq!(masked(&detectors, &format!("<p title='{text}'>{text}</p>"), true).1, count * 2, "{text}");
    }
}

#[test]
fn what_is_written_is_json_and_balanced_markup() {
    let all = detectors(ALL);
    for Group { form, cases, .. } in groups() {
        for Case { name, text, .. } in cases {
            let raw = raw(&text, &form);
            for is_xhtml in [false, true] {
                let found = masked(&all, &raw, is_xhtml).0;
                let found: String = serde_json::from_str(&format!("\"{found}\"")).unwrap();
                let text: String = serde_json::from_str(&format!("\"{raw}\"")).unwrap();
                let tags = |text: &str| text.matches(['<', '>']).count();
                if is_xhtml && form == "xhtml" {
                    assert_eq!(tags(&found), tags(&text), "{name}");
                }
            }
        }
    }
}

#[test]
fn names_of_tags_and_attributes_hide_nothing() {
    let detectors = detectors(r#"["email", "url", "us_ssn", "phone"]"#);
    for (text, wanted) in [
        ("John <jane.doe@example.com>", "John <[EMAIL]>"),
        ("John <jane&#64;example.com>", "John <[EMAIL]>"),
        ("see <http://x.example/jane>", "see <[URL]>"),
        ("see <www.example.com/jane>", "see <[URL]>"),
        ("</123-45-6789>", "</[SSN]>"),
        ("<!123-45-6789>", "<![SSN]>"),
        ("<ssn:123-45-6789/>", "<ssn:[SSN]/>"),
        ("<ssn=123-45-6789>", "<ssn=[SSN]>"),
        (r#"<p 123-45-6789="x">"#, r#"<p [SSN]="x">"#),
        (r#"<p title="x" 555-123-4567>"#, r#"<p title="x" [PHONE]>"#),
        (r#"<p title="555-123-4567" 123-45-6789='123-45-6789'>"#, r#"<p title="[PHONE]" [SSN]='[SSN]'>"#),
        ("<p title=\"x\" \u{661}\u{662}\u{663}-45-6789>", r#"<p title="x" [SSN]>"#),
        // A quote is part of a name where no value begins.
        ("<o'brien@example.com> isn't > here", "<[EMAIL]> isn't > here"),
        ("<p o'brien@example.com=''> isn't", "<p [EMAIL]=''> isn't"),
        ("<p title=o'brien@example.com>", "<p title=[EMAIL]>"),
        ("<p title=123&#45;45&#45;6789>", "<p title=[SSN]>"),
        (r#"12<b x&#61;">3-45</b>-6789""#, r#"[SSN]<b x&#61;"></b>""#),
        ("123-<b 'x'>45</b>-6789", "[SSN]<b 'x'></b>"),
        // Parts of two attributes are not one.
        (r#"<p 123-45-="x" 6789>"#, r#"<p 123-45-="x" 6789>"#),
    ] {
        let (found, _) = masked(&detectors, &raw(text, "xhtml"), true);
        assert_eq!(found, raw(wanted, "xhtml"), "{text}");
    }
}

#[test]
fn ordinary_markup_stays_even_where_a_pattern_fits_any_word() {
    let all = detectors(ALL);
    let words = detectors(&ALL.replace("]", r#", {"mrn": {"pattern": "[a-z]{2,9}"}}]"#));
    for (detectors, text) in [
        (
            &words,
            r#"<div xmlns="http://www.w3.org/1999/xhtml" xml:lang="1" data-x=""><br/><blockquote></blockquote></div>"#,
        ),
        (&words, r#"<table border="1"><colgroup><col width='10'/></colgroup><tr><td colspan="2"></td></tr></table>"#),
        (&all, r#"<h1 data-x1="a">SSN</h1><h6>MRN</h6><p data-phone-2="call" lang="en-US">b</p>"#),
    ] {
        let text = raw(text, "xhtml");
        assert_eq!(masked(detectors, &text, true), (text, 0));
    }
}

#[test]
fn look_alikes_hide_nothing() {
    let detectors = detectors(r#"["email", "us_ssn", "phone", "date"]"#);
    let dashes = "\u{2d7}\u{58a}\u{5be}\u{1400}\u{1806}\u{2010}\u{2015}\u{207b}\u{208b}\u{2212}\u{2796}\u{2e17}\u{2e1a}\
        \u{2e3a}\u{2e3b}\u{2e40}\u{2e5d}\u{301c}\u{3030}\u{30a0}\u{fe31}\u{fe32}\u{fe58}\u{fe63}\u{ff0d}\u{ff70}\u{10ead}";
    let marks = "\u{300}\u{488}\u{489}\u{591}\u{5bf}\u{64b}\u{670}\u{93c}\u{93e}\u{e31}\u{17b4}\u{180b}\u{1abe}\u{1aff}\u{1b00}\u{1dff}\u{20dd}\u{20e3}\
        \u{302a}\u{3099}\u{a66f}\u{a670}\u{fb1e}\u{fe0f}\u{fe2f}\u{101fd}\u{1d167}\u{1e94a}\u{e0100}";
    let dotted = "\u{b7}\u{2024}\u{2027}\u{3002}\u{30fb}\u{fe12}\u{fe52}\u{ff0e}\u{ff61}\u{ff65}";
    let hidden = (dashes.chars().map(|dash| (format!("123{dash}45{dash}6789"), "[SSN]")))
        .chain(marks.chars().map(|mark| (format!("{mark}1{mark}23{mark}-4{mark}5-67{mark}{mark}89"), "[SSN]")))
        .chain(dotted.chars().map(|dot| (format!("jane{dot}doe@example{dot}com"), "[EMAIL]")));
    for (text, wanted) in hidden {
        let found = masked(&detectors, &text, false).0;
        assert_eq!(found.trim_start_matches(|first: char| marks.contains(first)), wanted, "{text:?}");
    }
    for (text, wanted) in [
        ("¹²³-⁴⁵-⁶⁷⁸⁹ ₁₂₃₋₄₅₋₆₇₈₉ ¹²³⁻⁴⁵⁻⁶⁷⁸⁹", "[SSN] [SSN] [SSN]"),
        ("①②③-④⑤-⑥⑦⑧⑨ ❶❷❸-❹❺-❻❼❽❾ ➀➁➂-④⑤-⓺➆➇⓽", "[SSN] [SSN] [SSN]"),
        ("⑤⑤⑤-①②③-⓪⓿🄋①", "[PHONE]"),
        ("⑴⑵⑶-⑷⑸-⑹⑺⑻⑼ ⒈⒉⒊-⒋⒌-⒍⒎⒏⒐", "[SSN] [SSN]"),
        // What may as well be no part of the number hides none.
        ("123-45-6789¹, ①123-45-6789 123-45-6789² 1", "[SSN]¹, ①[SSN] [SSN]² 1"),
        ("2019-10-27〜2019-11-03", "[DATE]〜[DATE]"),
        ("555-123-4567・123-45-6789·555-123-4567", "[PHONE]・[SSN]·[PHONE]"),
        ("5·10⁹/L, 1.73 m², कि 123", "5·10⁹/L, 1.73 m², कि 123"),
    ] {
        assert_eq!(masked(&detectors, text, false).0, wanted);
    }
    let found = masked(&detectors, "123&sup1;, &sup1;&sup2;&sup3-45-6789 jane&middot;doe@example&middotcom", true).0;
    assert_eq!(found, "123&sup1;, [SSN] [EMAIL]");
}

#[test]
fn references_are_read_as_html_reads_them() {
    let detectors = detectors(r#"["us_ssn", "url", "email"]"#);
    for (text, wanted) in [
        ("123&nbsp45&nbsp6789", "[SSN]"),
        ("&nbsp123-45-6789", "&nbsp[SSN]"),
        ("SSN&nbsp123456789", "SSN&nbsp[SSN]"),
        ("x&nbspSSN 123456789", "x&nbspSSN [SSN]"),
        ("12&shy3-45-67&shy89", "[SSN]"),
        ("123&shy45&shy6789", "[SSN]"),
        ("123&ndash45&ndash6789 123&mdash45-6789", "[SSN] [SSN]"),
        ("123&ndash45&ndash;6789", "[SSN]"),
        ("&lt123-45-6789&gt", "&lt[SSN]&gt"),
        ("&quot123-45-6789&quot &copy123-45-6789 &deg123-45-6789", "&quot[SSN]&quot &copy[SSN] &deg[SSN]"),
        ("123&nbsp45;", "123&nbsp45;"),
        ("123&#150;45&#x97;6789 12&#150;3-45-6789", "[SSN] [SSN]"),
        (r#"<p title="123&nbsp45-6789">a</p>"#, r#"<p title="[SSN]">a</p>"#),
        // Before `=` it is a parameter.
        (r#"<a href="http://x.example/?a=1&lt=jane&copy2=doe">b</a>"#, r#"<a href="[URL]">b</a>"#),
        ("http://x.example/?a=1&ltd=jane", "[URL]"),
        // A name that is longer is another one.
        ("123&minusb;45-6789 123&nbs45-6789", "123&minusb;45-6789 123&nbs45-6789"),
    ] {
        let (found, _) = masked(&detectors, &raw(text, "xhtml"), true);
        assert_eq!(found, raw(wanted, "xhtml"), "{text}");
    }
}

#[test]
fn a_long_text_of_anything_takes_linear_time() {
    let detectors = detectors(&ALL.replace("]", r#", {"mrn": {"pattern": "[0-9]{1,20}x|a{0,9}b"}}]"#));
    for unit in [
        "1",
        ".",
        "<",
        "a@",
        "a@a.",
        "1 ",
        "1-",
        "1.",
        "1:",
        ":",
        "://",
        "a://",
        "www.",
        "<a '",
        "<!--",
        "<![CDATA[",
        "&",
        "&#1",
        "&#",
        "4111 ",
        "+1",
        "(555) ",
        "March ",
        "12 ",
        "MRN ",
        "\\\"@",
        "\\u0031",
        "\u{ad}",
        "\u{200b}",
        "<b/>1",
        "<a b='1'",
        "http://a.b/<b/>1",
        "a",
        "-",
        " ",
        "\\n",
        "SSN ",
        "123-45-6789 ",
        "é",
        "]]>",
        "<?",
        "12/12/",
        "ab1",
        "f:",
        "1a:",
        "a.com/",
        "com/",
        "/",
        "tel 1 ",
        "tel (1-",
        "DOB 12/",
        "1 / ",
        "1_",
        "SSN 1 ",
        "MR#",
        "&#49",
        "&#x",
        "&nbsp",
        "&nbsp1",
        "①",
        "1\u{64b}",
        "a・",
        "<a@b.",
        "<a 1",
        "<a b=",
        "<a b=1'",
        "<a 1='2' 3",
        "<a@b.cd>",
    ] {
        let time = |size: usize| {
            let text = unit.repeat(size / unit.len());
            let start = Instant::now();
            masked(&detectors, &text, false);
            masked(&detectors, &text, true);
            start.elapsed()
        };
        // Linear, the whole takes four times as long as the quarter; quadratic, sixteen times, and many seconds. A machine
        // that is busy elsewhere can make one measurement look so, but not each.
        let is_linear = |_| {
            let (quarter, whole) = (time(1 << 14), time(1 << 16));
            whole < quarter * 9 + Duration::from_millis(300)
        };
        assert!((0..5).any(is_linear), "{unit:?}");
    }
}

#[test]
fn what_is_wrong_with_a_list_is_said_where_it_stands() {
    for (scan, wanted) in [
        (
            "[]",
            "1:1: error[invalid-value]: there is nothing to look for at (document) (help: name a detector, such as \"us_ssn\")",
        ),
        (r#"["phone", "phone"]"#, "1:11: error[duplicate-name]: this detector stands twice at /1 (help: keep one)"),
        (
            r#"["ip", {"mrn": {"pattern": "M*"}}]"#,
            "1:28: error[invalid-value]: the pattern matches the empty text at /1/mrn/pattern (help: ask for at least one character: `{1,8}`)",
        ),
    ] {
        assert_eq!(compiled(scan).1, [wanted]);
    }
    assert_eq!(compiled(r#"["mrn", {"mrn": {"pattern": "A[0-9]{4}"}}, {"mrn": {"pattern": "B[0-9]{4}"}}]"#).1.len(), 0);
}

#[test]
fn detectors_show_no_more_than_their_names() {
    let detectors = detectors(r#"["us_ssn", {"mrn": {"pattern": "SECRET[0-9]{2}"}}]"#);
    assert_eq!(format!("{detectors:?}"), r#"["us_ssn", "mrn"]"#);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let detectors = detectors(ALL);
    assert_eq!(detectors.write(b"1\xff", &mut Vec::new()), Err(Error::Encoding));
    assert_eq!(detectors.write_xhtml(b"\xff", &mut Vec::new()), Err(Error::Encoding));
}
