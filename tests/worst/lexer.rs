//! Texts of a megabyte, each made to be the worst for the lexer.

use carewarden::json::{self, Limits};

const SIZE: usize = 1 << 20;

/// Reads a text by the limits of a route that says nothing of them.
pub(crate) fn walk(text: &str) -> Result<(), json::Error> {
    let limits = Limits { max_depth: 32, max_keys: 1_000, max_key: 256, max_string: SIZE, max_number: 64 };
    json::walk(text.as_bytes(), &limits, |_| ()).map(drop)
}

/// A text as clients send it.
pub(crate) fn ordinary() -> String {
    super::inspection::ordinary()
}

/// The worst, by name.
pub(crate) fn hostile() -> Vec<(&'static str, String)> {
    let array = |one: &str| format!("[{}1]", format!("{one},").repeat(SIZE / (one.len() + 1)));
    let string = |one: &str| format!("[\"{}\"]", one.repeat(SIZE / one.len()));
    let keys = |key: &dyn Fn(usize) -> String| {
        let members: Vec<_> = (0..1_000).map(|number| format!("{}:1", key(number))).collect();
        array(&format!("{{{}}}", members.join(",")))
    };
    vec![
        ("numbers", array("1")),
        ("long numbers", array("-1.2345678901234567890e-123")),
        ("words", array("null")),
        ("empty strings", array("\"\"")),
        ("empty containers", array("{}")),
        ("containers in containers", array(&format!("{}{}", "[".repeat(31), "]".repeat(31)))),
        ("objects in objects", array(&format!("{}1{}", "{\"a\":".repeat(31), "}".repeat(31)))),
        ("escapes", string("\\n")),
        ("escapes of Unicode", string("\\u00e9")),
        ("pairs of surrogates", string("\\ud83d\\ude00")),
        ("three bytes a character", string("\u{4e2d}")),
        ("white space", array("   1\t\n\r ")),
        ("different keys", keys(&|number| format!("\"{number}\""))),
        ("escaped keys", keys(&|number| format!("\"\\u0061{number}\""))),
        ("keys that differ at their end", keys(&|number| format!("\"{}{number}\"", "k".repeat(100)))),
    ]
}
