use super::*;

const LIMITS: Limits = Limits { max_parts: 3, max_part: 64 };

fn boundary(content_type: &str) -> Result<Boundary, Fault> {
    Boundary::of(&MediaType::parse(content_type.as_bytes()).unwrap())
}

/// Each part as `name`, `name<file`, with its type and content.
fn read_by(boundary_text: &str, body: &[u8]) -> Result<Vec<String>, (usize, &'static str)> {
    let boundary = boundary(&format!("multipart/form-data; boundary={boundary_text}")).unwrap();
    let show = |part: &Part<'_>| {
        let file = part.file_name.map(|name| format!("<{name}")).unwrap_or_default();
        let of = if part.media_type == "text/plain" { "-" } else { part.media_type };
        format!("{}{file} {of} {}", part.name, String::from_utf8_lossy(part.content))
    };
    match read(body, &boundary, &LIMITS) {
        Ok(parts) => Ok(parts.iter().map(show).collect()),
        Err(Malformed { part, fault }) => Err((part, fault.as_str())),
    }
}

fn parts(body: &str) -> Result<Vec<String>, (usize, &'static str)> {
    read_by("b", body.as_bytes())
}

/// A body with one part of these headers.
fn with_head(lines: &str) -> Result<Vec<String>, (usize, &'static str)> {
    parts(&format!("--b\r\n{lines}\r\n\r\nx\r\n--b--\r\n"))
}

fn with_disposition(value: &str) -> Result<Vec<String>, (usize, &'static str)> {
    with_head(&format!("Content-Disposition: {value}"))
}

const A: &str = "Content-Disposition: form-data; name=\"a\"";

#[test]
fn a_boundary_is_the_only_parameter_and_is_said_plainly() {
    for (content_type, plain) in [
        ("multipart/form-data; boundary=x", "x"),
        (
            "Multipart/Form-Data;BOUNDARY=\"----WebKitFormBoundary7MA4YWxkTrZu0gW\";",
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        ),
        ("multipart/form-data; boundary=\"1ec0-4a+b_c.d\"", "1ec0-4a+b_c.d"),
    ] {
        let said = boundary(content_type).map(|boundary| String::from_utf8(boundary.content_type()).unwrap());
        assert_eq!(said, Ok(format!("multipart/form-data; boundary={plain}")), "{content_type}");
    }
    let longest = "x".repeat(70);
    assert!(boundary(&format!("multipart/form-data; boundary={longest}")).is_ok());
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; charset=utf-8",
        "multipart/form-data; boundary=x; charset=utf-8",
        "multipart/form-data; boundary*=utf-8''x",
        "multipart/form-data; boundary*0=x",
        "multipart/form-data; boundary=\"x y\"",
        "multipart/form-data; boundary=\"x \"",
        "multipart/form-data; boundary=\"x\\\"y\"",
        "multipart/form-data; boundary=\"a/b\"",
        "multipart/form-data; boundary=\"a=b\"",
        "multipart/form-data; boundary='x'",
        "multipart/form-data; boundary=----",
        &format!("multipart/form-data; boundary=x{longest}"),
    ] {
        assert_eq!(boundary(content_type), Err(Fault::Boundary), "{content_type}");
    }
}

#[test]
fn parts_are_read_as_they_stand() {
    for end in ["", "\r\n"] {
        let body = format!(
            "--b\r\n{A}\r\n\r\n1\r\n2\r\n--b\r\ncontent-type:text/plain; charset=UTF-8\r\ncontent-disposition:form-data;name=c; \
             filename=\"d é.txt\"\r\n\r\n\r\n--b\r\n{A}\r\n\r\n-- b\n-b\r\r\n--b--{end}"
        );
        let expected = ["a - 1\r\n2", "c<d é.txt - ", "a - -- b\n-b\r"].map(str::to_owned);
        assert_eq!(parts(&body), Ok(expected.to_vec()));
    }
    // A boundary that begins like what stands around it.
    let body = format!("------a\r\n{A}\r\n\r\n----\r\n-----\r\n------a--");
    assert_eq!(read_by("----a", body.as_bytes()), Ok(vec!["a - ----\r\n-----".to_owned()]));
    assert_eq!(read_by("a-", format!("--a-\r\n{A}\r\n\r\n\r\n--a---").as_bytes()), Ok(vec!["a - ".to_owned()]));
}

#[test]
fn content_is_bytes() {
    let body = [b"--b\r\n", A.as_bytes(), b"\r\n\r\n\xff\0\xfe\r\n--b--"].concat();
    assert_eq!(read_by("b", &body).map(|parts| parts.len()), Ok(1));
}

#[test]
fn what_separates_parts_has_one_reading() {
    for (what, body, expected) in [
        ("nothing", String::new(), (1, "preamble")),
        ("another boundary", format!("--c\r\n{A}\r\n\r\nx\r\n--c--"), (1, "preamble")),
        ("text before", format!("x\r\n--b\r\n{A}\r\n\r\nx\r\n--b--"), (1, "preamble")),
        ("a line before", format!("\r\n--b\r\n{A}\r\n\r\nx\r\n--b--"), (1, "preamble")),
        ("no part", "--b--\r\n".to_owned(), (1, "delimiter")),
        ("text behind", format!("--b\r\n{A}\r\n\r\nx\r\n--b--\r\nx"), (2, "epilogue")),
        ("two lines behind", format!("--b\r\n{A}\r\n\r\nx\r\n--b--\r\n\r\n"), (2, "epilogue")),
        ("a space behind", format!("--b\r\n{A}\r\n\r\nx\r\n--b-- "), (2, "epilogue")),
        ("a part behind", format!("--b\r\n{A}\r\n\r\nx\r\n--b--\r\n--b\r\n{A}\r\n\r\nx\r\n--b--"), (2, "epilogue")),
        ("a plain LF behind", format!("--b\r\n{A}\r\n\r\nx\r\n--b--\n"), (2, "epilogue")),
        ("no end", format!("--b\r\n{A}\r\n\r\nx\r\n"), (1, "unfinished")),
        ("half an end", format!("--b\r\n{A}\r\n\r\nx\r\n--b-"), (2, "unfinished")),
        ("an end that could be more", format!("--b\r\n{A}\r\n\r\nx\r\n--b"), (2, "unfinished")),
        ("white space behind a boundary", format!("--b \r\n{A}\r\n\r\nx\r\n--b--"), (1, "delimiter")),
        (
            "white space behind the second",
            format!("--b\r\n{A}\r\n\r\nx\r\n--b\t\r\n{A}\r\n\r\nx\r\n--b--"),
            (2, "delimiter"),
        ),
        ("plain LF", format!("--b\n{A}\n\nx\n--b--"), (1, "delimiter")),
        ("plain LF before the second", format!("--b\r\n{A}\r\n\r\nx\n--b\r\n{A}\r\n\r\nx\r\n--b--"), (1, "delimiter")),
        ("plain CR before the second", format!("--b\r\n{A}\r\n\r\nx\r--b\r\n{A}\r\n\r\nx\r\n--b--"), (1, "delimiter")),
        ("a longer boundary", format!("--b\r\n{A}\r\n\r\nx\r\n--bc\r\n{A}\r\n\r\nx\r\n--b--"), (2, "delimiter")),
        ("a boundary within a line", format!("--b\r\n{A}\r\n\r\nx--b\r\n--b--"), (1, "delimiter")),
        (
            "a boundary in a header",
            "--b\r\nContent-Disposition: form-data; name=\"--b\"\r\n\r\nx\r\n--b--".into(),
            (1, "delimiter"),
        ),
        ("no content and no line for it", format!("--b\r\n{A}\r\n\r\n--b--"), (1, "delimiter")),
        ("no headers", "--b\r\n\r\nx\r\n--b--".to_owned(), (1, "max_header")),
        ("headers without end", format!("--b\r\n{A}\r\n--b--"), (1, "max_header")),
        ("headers that end with plain LF", format!("--b\r\n{A}\n\nx\r\n\r\n--b--"), (1, "header")),
        ("too many", format!("--b\r\n{A}\r\n\r\nx\r\n").repeat(4) + "--b--", (4, "max_parts")),
        ("too long", format!("--b\r\n{A}\r\n\r\n{}\r\n--b--", "x".repeat(65)), (1, "max_part")),
        (
            "too long headers",
            format!("--b\r\n{A}\r\nContent-Type: a/{}\r\n\r\nx\r\n--b--", "x".repeat(1024)),
            (1, "max_header"),
        ),
    ] {
        assert_eq!(parts(&body), Err(expected), "{what}");
    }
    assert!(parts(&(format!("--b\r\n{A}\r\n\r\n{}\r\n", "x".repeat(64)).repeat(3) + "--b--")).is_ok());
}

#[test]
fn headers_have_one_reading() {
    assert_eq!(with_head(&format!("{A}\r\nContent-Type: image/png")), Ok(vec!["a image/png x".to_owned()]));
    for (lines, expected) in [
        ("Content-Type: text/plain".to_owned(), "content-disposition"),
        (format!("{A}\r\n{A}"), "repeated-header"),
        (format!("{A}\r\nContent-Type: a/b\r\ncontent-type: a/b"), "repeated-header"),
        (format!("{A}\r\nContent-Transfer-Encoding: base64"), "other-header"),
        (format!("{A}\r\nContent-Length: 1"), "other-header"),
        (format!("{A};\r\n filename=\"x\""), "header"),
        (format!("{A}\r\n\tx: y"), "header"),
        (format!("{A}\r\nContent-Type : a/b"), "header"),
        (format!("{A}\r\nContent_Type: a/b"), "header"),
        (format!("{A}\r\n: a/b"), "header"),
        (format!("{A}\r\nx"), "header"),
        (format!("{A}\nContent-Type: a/b"), "header"),
        (format!("{A}\rContent-Type: a/b"), "header"),
        ("Content-Disposition:\tform-data; name=\"a\"".to_owned(), "header"),
        ("Content-Disposition: form-data; name=\"a\0\"".to_owned(), "header"),
        ("Content-Disposition: form-data; name=\"a\u{85}\"".to_owned(), "header"),
        (format!("{A}\r\nContent-Type: multipart/mixed; boundary=c"), "content-type"),
        (format!("{A}\r\nContent-Type: message/http"), "content-type"),
        (format!("{A}\r\nContent-Type: text/plain; charset=utf-7"), "content-type"),
        (format!("{A}\r\nContent-Type: text/plain; charset=\"utf-8\""), "content-type"),
        (format!("{A}\r\nContent-Type: text/plain; charset=utf-8; charset=utf-8"), "content-type"),
        (format!("{A}\r\nContent-Type: a/b, c/d"), "content-type"),
        (format!("{A}\r\nContent-Type:"), "content-type"),
    ] {
        assert_eq!(with_head(&lines), Err((1, expected)), "{lines:?}");
    }
    let no_utf_8 = b"--b\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nx\r\n--b--";
    assert_eq!(read_by("b", no_utf_8), Err((1, "header")));
}

#[test]
fn names_have_one_reading() {
    for (value, expected) in [
        ("form-data; name=a", "a - x"),
        ("form-data;name=\"a b[é]\"", "a b[é] - x"),
        ("form-data; name=\"a\"; filename=\"report 100%.pdf\"", "a<report 100%.pdf - x"),
        ("form-data; name=a.b-c_1; filename=.x", "a.b-c_1<.x - x"),
        ("form-data;   name=\"a\"  ", "a - x"),
        ("form-data; name=\"it's\"", "it's - x"),
    ] {
        assert_eq!(with_disposition(value), Ok(vec![expected.to_owned()]), "{value}");
    }
    for value in [
        "",
        "form-data",
        "form-data; name",
        "form-data; name=\"a",
        "form-data; name=\"a\";",
        "form-data; name=\"a\" ; filename=\"b\"",
        "form-data ; name=\"a\"",
        "Form-Data; name=\"a\"",
        "form-data; Name=\"a\"",
        "form-data; name =\"a\"",
        "form-data; name= \"a\"",
        "form-data; name='a'",
        "form-data; name=\"a\"x",
        "form-data; name=a b",
        "form-data; name=\"a\"; name=\"b\"",
        "form-data; name*=utf-8''a",
        "form-data; name=\"a\"; name*=utf-8''b",
        "form-data; filename=\"b\"",
        "form-data; filename=\"b\"; name=\"a\"",
        "form-data; name=\"a\"; filename*=utf-8''b",
        "form-data; name=\"a\"; filename=\"b\"; filename*=utf-8''c",
        "form-data; name=\"a\"; filename=\"b\"; filename=\"c\"",
        "form-data; name=\"a\"; size=1",
        "form-data; name=\"a\"\"",
        "attachment; name=\"a\"",
        "form-data, name=\"a\"",
        "form-data; name=\"a\\\"; filename=\"b\"",
    ] {
        let fault = with_disposition(value);
        assert!(matches!(fault, Err((1, "content-disposition" | "name"))), "{value}: {fault:?}");
    }
    let long = "n".repeat(128);
    assert!(with_disposition(&format!("form-data; name=\"{long}\"")).is_ok());
    for name in [
        "",
        " a",
        "a ",
        "a\\b",
        "a%22b",
        "a%0a",
        "a;b",
        "_charset_",
        "_CHARSET_",
        "=?utf-8?q?a?=",
        "a\u{200b}",
        &format!("{long}n"),
    ] {
        assert_eq!(with_disposition(&format!("form-data; name=\"{name}\"")), Err((1, "name")), "{name}");
    }
}

#[test]
fn a_file_name_is_no_place() {
    let long = "n".repeat(255);
    let of = |name: &str| with_disposition(&format!("form-data; name=\"a\"; filename=\"{name}\""));
    for name in ["x", "scan (1).pdf", ".profile", "Müller, Größe.png", "a..b", &long] {
        assert_eq!(of(name), Ok(vec![format!("a<{name} - x")]), "{name}");
    }
    for name in [
        "",
        ".",
        "..",
        "...",
        "../x",
        "a/b",
        "/x",
        "a\\b",
        "C:x",
        "x.txt:y",
        "x.",
        "x ",
        " x",
        "x%00",
        "x%2fy",
        "x;y",
        "gpj.\u{202e}exe",
        &format!("{long}n"),
    ] {
        assert_eq!(of(name), Err((1, "filename")), "{name}");
    }
}

#[test]
fn each_byte_takes_two_steps_at_most() {
    const SIZE: usize = 1 << 16;
    let longest = "a".repeat(69);
    for (boundary_text, unit) in [
        ("b", "x"),
        ("b", "-"),
        ("b", "\r\n-"),
        ("b", "\r\n--"),
        (&format!("{}a", "-".repeat(69)), &"-".repeat(70)),
        (&format!("{}a", "-".repeat(69)), &format!("{}x", "-".repeat(71))),
        (&format!("{longest}b"), &format!("--{longest}")),
        (&format!("{longest}b"), &format!("--{longest}c")),
        ("-a-a-a-a-a-a-b", "---a-a-a-a-a-a-c"),
    ] {
        let boundary = boundary(&format!("multipart/form-data; boundary={boundary_text}")).unwrap();
        let begin = format!("--{boundary_text}\r\n{A}\r\n\r\n");
        for end in [String::new(), format!("\r\n--{boundary_text}--")] {
            let body = format!("{begin}{}{end}", unit.repeat(SIZE / unit.len()));
            let mut reader = Reader::new(body.as_bytes(), &boundary);
            let read = reader.read(&Limits { max_parts: 10, max_part: body.len() }).is_ok();
            assert_eq!(read, !end.is_empty(), "{boundary_text} {unit}");
            let most = 2 * u64::try_from(body.len()).unwrap();
            assert!(reader.steps <= most, "{boundary_text} {unit}: {} of {most}", reader.steps);
        }
    }
    // Many parts, each looked at once.
    let body = format!("--b\r\n{A}\r\n\r\n\r\n").repeat(1000) + "--b--";
    let mut reader = Reader::new(body.as_bytes(), &boundary("multipart/form-data; boundary=b").unwrap());
    assert_eq!(reader.read(&Limits { max_parts: 1000, max_part: 1 }).map(|parts| parts.len()), Ok(1000));
    assert!(reader.steps <= 2 * u64::try_from(body.len()).unwrap());
}
