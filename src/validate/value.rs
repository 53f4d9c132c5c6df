//! Forms of values in queries, forms and headers.

use crate::policy::model::ValueForm;

/// Prefixes of ordered values in searches (<http://hl7.org/fhir/R4/search.html#prefix>).
const PREFIXES: &[&str] = &["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

/// Whether a value has this form. On `fhir` routes it may be a list, and have a prefix.
pub(super) fn has_form(value: &str, form: ValueForm, is_fhir: bool) -> bool {
    use ValueForm::{Boolean, Date, Id, Integer, Number, Quantity, Reference, String, Token, Uri, Uuid};
    if is_fhir && !matches!(form, Boolean | String | Uri) && value.contains(',') {
        return value.split(',').all(|one| has_form(one, form, is_fhir));
    }
    let ordered = if is_fhir { without_prefix(value) } else { value };
    match form {
        String => !value.chars().any(char::is_control),
        Boolean => matches!(value, "true" | "false"),
        Integer => is_integer(value),
        Number => is_number(ordered),
        Date => is_date(ordered),
        Quantity => ordered.split('|').next().is_some_and(is_number) && is_parts(ordered, &[1, 3]),
        Token => !value.is_empty() && is_parts(value, &[1, 2, 3]),
        Reference => is_id(value) || is_typed_id(value) || (value.contains("://") && is_uri(value)),
        Uri => !value.is_empty() && is_uri(value),
        Id => is_id(value),
        Uuid => is_uuid(value),
    }
}

fn without_prefix(value: &str) -> &str {
    PREFIXES.iter().find_map(|prefix| value.strip_prefix(prefix)).unwrap_or(value)
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_integer(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    all_digits(digits) && digits.len() <= 18
}

fn is_number(value: &str) -> bool {
    let value = value.strip_prefix('-').unwrap_or(value);
    let (value, exponent) = value.split_once(['e', 'E']).unwrap_or((value, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let decimal = |text: &str| match text.split_once('.') {
        Some((whole, rest)) => all_digits(whole) && all_digits(rest),
        None => all_digits(text),
    };
    value.len() <= 32 && decimal(value) && all_digits(exponent) && exponent.len() <= 3
}

/// Parts between `|`, none of which holds white space or a control.
fn is_parts(value: &str, counts: &[usize]) -> bool {
    let is_plain = |part: &str| !part.chars().any(char::is_control);
    counts.contains(&value.split('|').count()) && value.split('|').all(is_plain)
}

/// <http://hl7.org/fhir/R4/datatypes.html#dateTime>, with seconds left out or not.
fn is_date(value: &str) -> bool {
    let (day, time) = value.split_once('T').map_or((value, None), |(day, time)| (day, Some(time)));
    let mut parts = day.split('-');
    let number = |part: Option<&str>, length: usize| {
        part.map(|text| (text.len() == length && all_digits(text)).then(|| text.parse::<u16>().ok()).flatten())
    };
    let (year, month, day_of_month) = (number(parts.next(), 4), number(parts.next(), 2), number(parts.next(), 2));
    let in_range = |part: Option<Option<u16>>, from: u16, to: u16| {
        part.is_none_or(|number| number.is_some_and(|number| (from..=to).contains(&number)))
    };
    let is_day =
        parts.next().is_none() && in_range(year, 0, 9999) && in_range(month, 1, 12) && in_range(day_of_month, 1, 31);
    is_day && time.is_none_or(|time| day_of_month.is_some() && is_time(time))
}

fn is_time(value: &str) -> bool {
    let (time, offset) = match value.strip_suffix('Z') {
        Some(time) => (time, None),
        None => value.split_once(['+', '-']).map_or((value, None), |(time, offset)| (time, Some(offset))),
    };
    let two = |text: &str, most: u8| text.len() == 2 && all_digits(text) && text.parse::<u8>().is_ok_and(|n| n <= most);
    let clock = |text: &str| text.split_once(':').is_some_and(|(hour, minute)| two(hour, 24) && two(minute, 59));
    let (whole, fraction) = time.split_once('.').map_or((time, None), |(whole, fraction)| (whole, Some(fraction)));
    let is_whole = match whole.len() {
        5 => fraction.is_none() && clock(whole),
        8 => whole.rsplit_once(':').is_some_and(|(before, seconds)| clock(before) && two(seconds, 60)),
        _ => false,
    };
    is_whole && fraction.is_none_or(|digits| all_digits(digits) && digits.len() <= 9) && offset.is_none_or(clock)
}

/// <http://hl7.org/fhir/R4/datatypes.html#id>
pub(super) fn is_id(value: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=64).contains(&value.len()) && value.bytes().all(fits)
}

fn is_typed_id(value: &str) -> bool {
    value.split_once('/').is_some_and(|(kind, id)| crate::fhir::ResourceType::parse(kind).is_some() && is_id(id))
}

/// The characters of RFC 3986, escapes among them.
fn is_uri(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%|".contains(&byte))
}

fn is_uuid(value: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let hexadecimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    value.split('-').map(str::len).eq(lengths) && value.split('-').all(hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_takes_its_own_and_nothing_else() {
        use ValueForm::{Boolean, Date, Id, Integer, Number, Quantity, Reference, String, Token, Uri, Uuid};
        for (form, good, bad) in [
            (Integer, &["0", "-12", "007"][..], &["", "-", "1.0", "+1", "1 ", "١", "1234567890123456789", "1e3"][..]),
            (Number, &["0.5", "-1e-3", "100"], &["", ".5", "5.", "1e", "1e9999", "0x1", "NaN", "1,0", "--1"]),
            (Boolean, &["true", "false"], &["TRUE", "1", "", "true "]),
            (
                Date,
                &[
                    "2026",
                    "2026-11",
                    "2026-11-23",
                    "2026-11-23T12:00Z",
                    "2026-11-23T12:00:00.125+01:00",
                    "2026-11-23T24:00:00",
                ],
                &[
                    "",
                    "26",
                    "2026-13",
                    "2026-00",
                    "2026-11-32",
                    "2026-11T12:00Z",
                    "2026-11-23T",
                    "2026-11-23T25:00Z",
                    "ge2026",
                    "2026-11-23-01",
                    "2026-11-23T12:00:00.Z",
                    "2026-11-23 12:00",
                ],
            ),
            (Token, &["a", "s|c", "|c", "s|", "urn:x|a b"], &["", "a|b|c|d", "a\nb"]),
            (
                Reference,
                &["p1", "Patient/p1", "https://a.example/Patient/1"],
                &["", "Patiant/1", "Patient/", "a b", "a/b/c", "://\n"],
            ),
            (Quantity, &["5", "5.4|http://unitsofmeasure.org|mg", "5||mg"], &["", "|", "mg", "5|mg"]),
            (Uri, &["urn:x:y", "https://a/b?c=d%20"], &["", "a b", "a<b", "é"]),
            (Id, &["a", "A-1.b"], &["", "a_b", "a/b", &"x".repeat(65)]),
            (
                Uuid,
                &["123e4567-e89b-12d3-a456-426614174000"],
                &["", "123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"],
            ),
            (String, &["", "a b", "O'Brien"], &["a\nb", "\u{7f}", "a\0"]),
        ] {
            assert!(good.iter().all(|value| has_form(value, form, false)), "{form:?} {good:?}");
            for value in bad {
                assert!(!has_form(value, form, false), "{form:?} {value:?}");
            }
        }
    }

    #[test]
    fn searches_take_lists_and_prefixes() {
        assert!(has_form("ge2026-01-01", ValueForm::Date, true) && has_form("lt5,gt7", ValueForm::Number, true));
        assert!(has_form("a,b", ValueForm::Id, true) && !has_form("a,b", ValueForm::Id, false));
        assert!(!has_form("a,", ValueForm::Id, true) && !has_form("gege5", ValueForm::Number, true));
    }
}
