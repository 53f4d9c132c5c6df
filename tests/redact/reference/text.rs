//! What actions make of strings, written down again: only for texts that the generator makes.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::node::Node;
use crate::support::PHI_KEY;

/// The year in which dates are judged.
const CURRENT_YEAR: i32 = 2026;

/// Areas that few people live in, as far as they are generated.
const RESTRICTED: &[&str] = &["036", "893"];

/// What is left of a date.
pub(super) enum Dated {
    Same,
    Year(String),
    Gone,
}

/// `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or that with a time and a zone; days are those of the generator.
pub(super) fn year(text: &str, is_instant: bool) -> Dated {
    let day = text.split('T').next().unwrap_or_default();
    let is_date = matches!(day.len(), 4 | 7 | 10)
        && day.bytes().enumerate().all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() })
        && (day.len() == text.len() || day.len() == 10 && (text.ends_with('Z') || text.ends_with("+01:00")));
    let Some(year) = day.get(..4).filter(|_| is_date) else { return Dated::Gone };
    let age = CURRENT_YEAR - year.parse::<i32>().expect("digits");
    match (is_instant, age, text.len()) {
        (true, ..) | (_, 90.., _) => Dated::Gone,
        (_, _, 4) => Dated::Same,
        _ => Dated::Year(year.to_owned()),
    }
}

pub(super) fn is_united_states(country: &str) -> bool {
    let plain = country.trim().replace('.', "").to_ascii_lowercase();
    ["us", "usa", "840", "united states", "united states of america"].contains(&plain.as_str())
}

/// What is left of a postal code.
pub(super) fn zip3(text: &str) -> Option<String> {
    let digits = text.replacen('-', "", 1);
    let is_zip = digits.bytes().all(|byte| byte.is_ascii_digit())
        && match text.find('-') {
            None => matches!(text.len(), 5 | 9),
            Some(at) => at == 5 && text.len() == 10,
        };
    let area = text.get(..3).filter(|_| is_zip)?;
    Some(if RESTRICTED.contains(&area) { "00000".to_owned() } else { format!("{area}00") })
}

/// What becomes of an age.
pub(super) enum Age {
    Stays,
    Capped,
    Gone,
}

/// What "90 or older" is written as.
pub(super) const CAPPED: &str =
    r#"{"value":90,"comparator":">=","unit":"a","system":"http://unitsofmeasure.org","code":"a"}"#;

/// An age, by its members.
pub(super) fn age(object: &Node) -> Age {
    let text = |name: &str| match object.member(name) {
        Some(node @ Node::Scalar(text)) => {
            node.string().or_else(|| text.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then(|| text.clone()))
        }
        _ => None,
    };
    if text("system").is_some_and(|system| system != "http://unitsofmeasure.org") {
        return Age::Gone;
    }
    let unit = text("code").or_else(|| text("unit").map(|unit| unit.to_lowercase()));
    let most = match unit.as_deref() {
        Some("a" | "years") => 90.0,
        Some("mo") => 1080.0,
        _ => return Age::Gone,
    };
    let Some(value) = text("value").and_then(|value| value.parse::<f64>().ok()) else { return Age::Gone };
    match text("comparator").as_deref() {
        _ if value >= most => Age::Capped,
        Some(">" | ">=") if value >= most / 90.0 * 89.0 => Age::Capped,
        None | Some("<" | "<=" | ">" | ">=") => Age::Stays,
        Some(_) => Age::Gone,
    }
}

/// A string of stars, as long as the text.
pub(super) fn masked(text: &str) -> String {
    "*".repeat(text.chars().count())
}

/// The hash of an id, in the reference that it stands in.
pub(super) fn hashed(text: &str, is_reference: bool) -> String {
    let before = ["Patient/", "#", "urn:uuid:", "https://ehr.example/fhir/Patient/"];
    let before = before.into_iter().filter(|_| is_reference).find(|before| {
        text.strip_prefix(before).is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    });
    let before = before.unwrap_or_default();
    format!("{before}{}", hash(text.strip_prefix(before).unwrap_or(text)))
}

fn hash(text: &str) -> String {
    let mac = |key: &[u8], text: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
        mac.update(text);
        mac.finalize().into_bytes()
    };
    let key = mac(PHI_KEY.as_bytes(), b"carewarden redaction\0p");
    mac(&key, text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text without the Social Security number that the generator writes; `None` when it has none.
pub(super) fn scanned(text: &str) -> Option<String> {
    text.contains(" 123-45-6789 ").then(|| text.replace("123-45-6789", "[SSN]"))
}
