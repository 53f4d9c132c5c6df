//! Ages over 89 (45 CFR 164.514(b)(2)(i)(C)): a Quantity of time, by its UCUM code (<https://ucum.org>) or, where it has no
//! code, by a unit that can mean nothing else.

/// What an age over 89 becomes: "90 or older", as the rule lets it be put together.
pub(super) const CAPPED: &[u8] =
    br#"{"value":90,"comparator":">=","unit":"a","system":"http://unitsofmeasure.org","code":"a"}"#;

const UCUM: &str = "http://unitsofmeasure.org";

/// What becomes of an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It is known to be no more than 89 years.
    Stays,
    /// It is more, or may be.
    Capped,
    /// Nobody can say what it is.
    Gone,
}

/// Codes and units of time, with how many of them 90 years have at the least: a year is 365 days, so that nothing that
/// may be 90 years is taken for less.
const UNITS: &[(&[&str], f64)] = &[
    (&["a", "a_j", "a_g", "a_t", "y", "yr", "yrs", "year", "years"], 90.0),
    (&["mo", "mo_j", "mo_g", "mo_s", "month", "months"], 1_080.0),
    (&["wk", "week", "weeks"], 4_692.0),
    (&["d", "day", "days"], 32_850.0),
    (&["h", "hour", "hours"], 788_400.0),
    (&["min", "minute", "minutes"], 47_304_000.0),
];

/// Judges an age. `value` is a JSON number as it was written; it is compared as the nearest of the numbers that a machine
/// has, which is on the right side of every limit here, as these are whole.
pub(super) fn judge(
    value: Option<&str>,
    comparator: Option<&str>,
    unit: Option<&str>,
    system: Option<&str>,
    code: Option<&str>,
) -> Age {
    let is_ucum = system.is_none_or(|system| system == UCUM);
    let unit = code.map_or_else(|| unit.map(str::to_ascii_lowercase), |code| Some(code.to_owned()));
    let limit = unit.and_then(|unit| UNITS.iter().find(|(names, _)| names.contains(&&*unit))).map(|(_, limit)| *limit);
    let value = value.and_then(|value| value.parse::<f64>().ok()).filter(|value| !value.is_nan());
    match (limit.filter(|_| is_ucum), value, comparator) {
        (None, ..) | (_, None, _) => Age::Gone,
        (Some(limit), Some(value), _) if value >= limit => Age::Capped,
        // "Over 89" may be any age over it; "over 40" tells none.
        (Some(limit), Some(value), Some(">" | ">=")) if value >= limit / 90.0 * 89.0 => Age::Capped,
        (Some(_), Some(_), None | Some("<" | "<=" | ">" | ">=")) => Age::Stays,
        (Some(_), Some(_), Some(_)) => Age::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_judged_by_their_unit() {
        for (value, comparator, unit, system, code, expected) in [
            ("89", None, None, Some(UCUM), Some("a"), Age::Stays),
            ("89.9", None, None, Some(UCUM), Some("a"), Age::Stays),
            ("90", None, None, Some(UCUM), Some("a"), Age::Capped),
            ("9e1", None, None, None, Some("a"), Age::Capped),
            ("1e400", None, None, None, Some("a"), Age::Capped),
            ("-1e400", None, None, None, Some("a"), Age::Stays),
            ("1079", None, None, None, Some("mo"), Age::Stays),
            ("1100", None, None, None, Some("mo"), Age::Capped),
            ("4000", None, None, None, Some("wk"), Age::Stays),
            ("4700", None, None, None, Some("wk"), Age::Capped),
            ("20000", None, None, None, Some("d"), Age::Stays),
            ("32900", None, None, None, Some("d"), Age::Capped),
            ("95", None, Some("Years"), None, None, Age::Capped),
            ("40", None, Some("yrs"), None, None, Age::Stays),
            ("95", None, Some("a"), None, Some("mm"), Age::Gone),
            ("40", None, Some("winters"), None, None, Age::Gone),
            ("40", None, None, None, None, Age::Gone),
            ("40", None, None, Some("http://snomed.info/sct"), Some("a"), Age::Gone),
            ("89", Some(">"), None, None, Some("a"), Age::Capped),
            ("40", Some(">"), None, None, Some("a"), Age::Stays),
            ("95", Some("<"), None, None, Some("a"), Age::Capped),
            ("40", Some("~"), None, None, Some("a"), Age::Gone),
            ("x", None, None, None, Some("a"), Age::Gone),
        ] {
            assert_eq!(
                judge(Some(value), comparator, unit, system, code),
                expected,
                "{value} {unit:?} {code:?} {comparator:?}"
            );
        }
        assert_eq!(judge(Some(&"9".repeat(400)), None, None, None, Some("a")), Age::Capped);
        assert_eq!(judge(None, None, None, None, Some("a")), Age::Gone);
    }
}
