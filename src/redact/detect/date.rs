//! Dates: in digits (ISO 8601, US and European order), with an English month, and months with a year.

use std::ops::Range;

use super::cursor::{Cursor, back, before, begins_digits, byte, free_after, free_before, has_cue, is_word, lower, number};

const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "jan",
    "feb",
    "mar",
    "apr",
    "jun",
    "jul",
    "aug",
    "sep",
    "sept",
    "oct",
    "nov",
    "dec",
];
const CUES: &[&str] = &["dob", "birth", "born", "birthdate", "date", "on", "dod", "died"];
/// Those after which eight digits, or a short year behind dots, are nothing else.
const SURE_CUES: &[&str] = &["dob", "birth", "born", "birthdate", "date", "dod", "died"];

/// A date. The time after an ISO date goes with it.
pub(super) fn date(text: &[u8], at: usize) -> Option<Range<usize>> {
    if begins_digits(text, at) && (free_before(text, at) || has_cue(text, at, CUES)) && before(text, at) != b'/' {
        return numeric(text, at).or_else(|| announced(text, at)).map(|end| at..end);
    }
    let begins_word = byte(text, at).is_ascii_alphabetic() && !before(text, at).is_ascii_alphabetic();
    begins_word.then(|| named(text, at)).flatten()
}

fn numeric(text: &[u8], at: usize) -> Option<usize> {
    let mut here = Cursor::new(text, at);
    let first = here.digits(1..5)?;
    let spaced = here.eat(b" ").is_some();
    let separator = here.eat(if spaced { b"-/" } else { b"-/." })?;
    here.eat(if spaced { b" " } else { b"" });
    let second = here.digits(1..5)?;
    let two = here;
    here.eat(if spaced { b" " } else { b"" });
    let more = here.eat(&[separator]);
    here.eat(if spaced { b" " } else { b"" });
    let third = more.and_then(|_| here.digits(1..5));
    let whole = match (first.len(), second.len(), third) {
        (4, 1 | 2, Some(day)) => day.len() < 3 && is_year(first) && is_month(second) && is_day(second, day),
        (1 | 2, 1 | 2, Some(year)) if year.len() == 4 => is_year(year) && is_day(first, second),
        (1 | 2, 1 | 2, Some(year)) if year.len() == 2 && !spaced => {
            (separator != b'.' || has_cue(text, at, SURE_CUES)) && is_day(first, second)
        }
        _ => false,
    };
    if whole {
        let end = time(text, here.at);
        return (free_after(text, end) && byte(text, end) != b'/').then_some(end);
    }
    // The hyphen of a month and a year needs two digits: a LOINC code has one after it, and ranges of counts are shorter.
    let months = match (first.len(), second.len(), separator) {
        (4, 2, b'-' | b'/') => is_year(first) && is_month(second),
        (1 | 2, 4, b'/') | (2, 4, b'-') => is_month(first) && is_year(second),
        _ => false,
    };
    let ends = free_after(text, two.at) && byte(text, two.at) != separator;
    (months && !spaced && third.is_none() && ends).then_some(two.at)
}

/// The end of eight digits after a cue: year, month and day, or the year last.
fn announced(text: &[u8], at: usize) -> Option<usize> {
    let mut here = Cursor::new(text, at);
    let digits = here.digits(8..9)?;
    let (first, last) = (digits.get(..4)?, digits.get(4..)?);
    let day = |of: &[u8]| of.split_at_checked(2).is_some_and(|(one, other)| is_day(one, other));
    let year_first = is_year(first) && last.get(..2).is_some_and(is_month) && day(last);
    let fits = year_first || is_year(last) && day(first);
    (fits && free_after(text, here.at) && has_cue(text, at, SURE_CUES)).then_some(here.at)
}

/// The end of the time that follows an ISO date, or of the date.
fn time(text: &[u8], at: usize) -> usize {
    let mut here = Cursor::new(text, at);
    if here.eat(b"Tt").is_none() || !here.peek().is_ascii_digit() {
        return at;
    }
    let time = here.run(40, |byte| byte.is_ascii_digit() || b":.+-Zz".contains(&byte));
    let trailing = time.iter().rev().take_while(|byte| b":.+-".contains(byte)).count();
    here.at.saturating_sub(trailing)
}

fn is_year(digits: &[u8]) -> bool {
    digits.len() == 4 && (1800..2200).contains(&number(digits))
}

fn is_month(digits: &[u8]) -> bool {
    digits.len() < 3 && (1..13).contains(&number(digits))
}

/// A month and a day, whichever comes first.
fn is_day(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (number(one), number(other));
    (1..32).contains(&one) && (1..32).contains(&other) && one.min(other) < 13
}

/// A date around the name of a month that begins at `at`: with a day, a year or both.
fn named(text: &[u8], at: usize) -> Option<Range<usize>> {
    let mut here = Cursor::new(text, at);
    let month = here.word(9)?;
    if !MONTHS.contains(&month.as_str()) {
        return None;
    }
    here.eat(b".");
    if let Some(start) = day_before(text, at)
        && let Some(end) = year_after(here, true)
    {
        return Some(start..end);
    }
    // Written small these are words; a date that begins with one would also have a year.
    let is_name = byte(text, at).is_ascii_uppercase();
    let ambiguous = matches!(month.as_str(), "may" | "march" | "mar");
    if before(text, at).is_ascii_digit() {
        return None;
    }
    let day = day_after(here);
    if let Some(end) = day.and_then(|day| year_after(day, false)) {
        return Some(at..end);
    }
    if let Some(end) = year_after(here, false).filter(|_| is_name || !ambiguous) {
        return Some(at..end);
    }
    let start = day_before(text, at).filter(|_| is_name);
    let end = here.at.saturating_sub(usize::from(before(text, here.at) == b'.'));
    if let Some(start) = start.filter(|_| !is_word(byte(text, end))) {
        return Some(start..end);
    }
    let alone = |day: &Cursor<'_>| is_name && free_after(text, day.at) && !b":/%".contains(&day.peek());
    day.filter(alone).map(|day| at..day.at)
}

/// Where a day before a month begins: `12 March`, `12th of March`, `12-Mar`, `12Mar`.
fn day_before(text: &[u8], at: usize) -> Option<usize> {
    let mut end = back(text, at, 2, |byte| b" -/.,".contains(&byte));
    if lower(text.get(end.saturating_sub(3)..end)?) == " of" {
        end = end.saturating_sub(3);
    }
    let suffix = lower(text.get(end.saturating_sub(2)..end).unwrap_or_default());
    if matches!(suffix.as_str(), "st" | "nd" | "rd" | "th") {
        end = end.saturating_sub(2);
    }
    let start = back(text, end, 2, |byte| byte.is_ascii_digit());
    let day = text.get(start..end).filter(|day| (1..32).contains(&number(day)))?;
    (!day.is_empty() && !before(text, start).is_ascii_digit() && free_before(text, start)).then_some(start)
}

/// Goes past a day after a month: ` 12`, ` 12th`, ` 12-15`, and what is between.
fn day_after(month: Cursor<'_>) -> Option<Cursor<'_>> {
    let mut here = month;
    let gap = here.run(3, |byte| b" -/,.".contains(&byte));
    let day = here.digits(1..3).filter(|day| !gap.is_empty() && (1..32).contains(&number(day)))?;
    let mut range = here;
    range.run(3, |byte| b" -".contains(&byte));
    if range.at > here.at && !day.is_empty() && range.digits(1..3).is_some_and(|last| (1..32).contains(&number(last))) {
        here = range;
    }
    let mut ordinal = here;
    if ordinal.word(2).is_some_and(|word| matches!(word.as_str(), "st" | "nd" | "rd" | "th")) {
        here = ordinal;
    }
    Some(here)
}

/// The end of a year after a month or a day; with two digits only after an apostrophe, or right after day and month.
fn year_after(place: Cursor<'_>, short: bool) -> Option<usize> {
    let mut here = place;
    let gap = here.run(3, |byte| b" -/,.'".contains(&byte));
    let mut of = here;
    if !gap.is_empty() && of.word(2).as_deref() == Some("of") && of.eat(b" ").is_some() {
        here = of;
    }
    let year = here.digits(2..5)?;
    let fits = match year.len() {
        4 => is_year(year),
        2 => gap.ends_with(b"'") || short,
        _ => false,
    };
    let next = here.peek();
    (fits && !is_word(next)).then_some(here.at)
}
