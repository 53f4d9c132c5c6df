//! Bodies of a megabyte, each made to be the worst for a part of inspection: transforms, literals, regular expressions,
//! libinjection, narratives.

use carewarden::inspect::Pack;

const SIZE: usize = 1 << 20;

/// The same text again and again, as one string of a JSON body.
fn one(unit: &str) -> String {
    let unit = serde_json::to_string(unit).unwrap();
    let unit = unit.trim_matches('"');
    format!(r#"{{"note": "{}"}}"#, unit.repeat(SIZE / unit.len()))
}

/// The same short string again and again, each a value of its own.
fn array(one: &str) -> String {
    let one = format!("\"{one}\"");
    format!("[{}1]", format!("{one},").repeat(SIZE / (one.len() + 1)))
}

/// A text behind a beginning and before an end.
fn around(begin: &str, unit: &str, end: &str) -> String {
    let written = serde_json::to_string(unit).unwrap().len() - 2;
    let text = format!("{begin}{}{end}", unit.repeat(SIZE / written));
    format!(r#"{{"note": {}}}"#, serde_json::to_string(&text).unwrap())
}

/// A body as clients send it.
pub(crate) fn ordinary() -> String {
    let patient = r#"{"resourceType":"Patient","id":"p1","meta":{"versionId":"3","lastUpdated":"2026-10-02T09:12:44.120Z"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Niamh O'Brien, born 1974-12-25</div>"},"identifier":[{"use":"official","system":"urn:clinic:mrn","value":"MRN-000123"}],"active":true,"name":[{"use":"official","family":"O'Brien","given":["Niamh","Q."]}],"telecom":[{"system":"phone","value":"555-0123","use":"mobile"},{"system":"email","value":"niamh.1@example.com"}],"gender":"female","birthDate":"1974-12-25","address":[{"line":["12 Main Street"],"city":"Ashland","state":"NY","postalCode":"10001"}],"generalPractitioner":[{"reference":"Practitioner/prac-1","display":"Dr. Ngozi Okafor"}]}"#;
    let entry = format!(r#"{{"resource":{patient}}}"#);
    let entries = vec![entry.as_str(); SIZE / entry.len()].join(",");
    format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{entries}]}}"#)
}

/// The worst, by name.
pub(crate) fn hostile() -> Vec<(&'static str, String)> {
    let literals: Vec<String> = Pack::standard().unwrap().rules().flat_map(|rule| rule.literals.clone()).collect();
    vec![
        ("dots in one word", around("a", ".", "")),
        ("words with dots", one("select.union.a ")),
        ("backslashes before quotes", one(r"\\\\\\\\'")),
        ("quotes", one("'")),
        ("quotes and numbers", one("'1")),
        ("numbers and commas", one("1,")),
        ("operators", one("1+")),
        ("unary operators", around("1", "-", "1")),
        ("parentheses", one("(")),
        ("comments that do not end", one("/*x")),
        ("comments", one("/**/a")),
        ("hidden comments", one("/*!1")),
        ("dollar quotes", one("$a$ ")),
        ("backticks", one("`a` ")),
        ("opened elements", one("<")),
        ("elements", one("<a ")),
        ("attributes", one("<a b=c d='")),
        ("attributes without an element", one("a=b ")),
        ("comments of HTML", one("<!-- - ")),
        ("NUL in elements", around("<", "\0", "script")),
        ("escapes of URLs", one("%25")),
        ("escapes of escapes", one("%2525")),
        ("entities", one("&amp;")),
        ("entities by number", one("&#0000000000060;")),
        ("escapes of scripts", one(r"\u005cu0041")),
        ("fullwidth", one("＜")),
        ("disguise upon disguise", one("%26%2338;/**/\\x41")),
        ("every literal", one(&literals.join(" "))),
        ("beginnings of union", one("union union(")),
        ("beginnings of handlers", one(" onload=a")),
        ("beginnings of select", one("(select a,")),
        ("beginnings of templates", one("{{a")),
        ("dots and slashes", one("../")),
        ("slashes", one("/./")),
        ("JSON of empty strings", format!("[{}1]", r#""","#.repeat(SIZE / 3))),
        ("JSON of short strings", format!("[{}1]", r#""' ","#.repeat(SIZE / 5))),
        ("JSON of disguises", array(r"%2541'\\/etcdata:eval(")),
        ("JSON of escapes", array(r"%41/*\\&")),
        ("JSON of comments", array(r"/*\n")),
        ("JSON of keys", {
            let members: Vec<_> = (0..SIZE / 12).map(|n| format!(r#""$k{n}":1"#)).collect();
            format!("{{{}}}", members.join(","))
        }),
        ("brackets", format!("[{}1]", "[[[[[[[[[[]]]]]]]]]],".repeat(SIZE / 21))),
        ("a narrative of attributes", {
            let div = format!("<div {}>", "title='x' style='a' ".repeat(SIZE / 20));
            format!(r#"{{"resourceType":"Patient","text":{{"div":{}}}}}"#, serde_json::to_string(&div).unwrap())
        }),
        ("a narrative of comments", {
            let div = format!("<div>{}</div>", "<!-- x --><b>".repeat(SIZE / 13));
            format!(r#"{{"resourceType":"Patient","text":{{"div":{}}}}}"#, serde_json::to_string(&div).unwrap())
        }),
        ("a type behind all of it", {
            let names = vec![r#"{"text":"x' or 1=1--"}"#; SIZE / 24].join(",");
            format!(r#"{{"name":[{names}],"resourceType":"Patient"}}"#)
        }),
    ]
}
