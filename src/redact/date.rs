//! Dates made less exact: to their year, or moved with the patient they are about.
//!
//! The texts are those of FHIR R4 (datatypes.html#date, #dateTime, #instant): `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, and with a
//! time and a zone. What is none of these, or no day of the calendar, is not understood and goes.
//!
//! A date that tells an age over 89 goes whole (45 CFR 164.514(b)(2)(i)(C)). Who reads a year knows that the day was one of
//! its days, so what counts is the first of January: whoever was alive then is over 89 once 90 years have passed. A year
//! stays, therefore, while it is no more than 89 years before the year of `now`.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use time::{Date, Duration, OffsetDateTime};

/// How far back a year may lie.
const MOST_YEARS: i32 = 89;

/// What becomes of a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dated {
    /// It stays as it is.
    Same,
    /// This text stands in its place.
    Text(String),
    /// It goes.
    Gone,
}

/// A date as far as it is known.
#[derive(Debug, PartialEq, Eq)]
enum Known<'t> {
    Year(i32),
    Month(i32),
    /// A day, and the time and zone behind it as they were written.
    Day(Date, &'t str),
    /// With seconds and a zone, which makes a dateTime that could be an instant.
    Moment(Date, &'t str),
}

impl Known<'_> {
    fn year(&self) -> i32 {
        match self {
            Self::Year(year) | Self::Month(year) => *year,
            Self::Day(date, _) | Self::Moment(date, _) => date.year(),
        }
    }
}

/// The year of a date or dateTime. Of an instant, which cannot be a year, nothing is left.
pub(super) fn year(text: &str, now: i64, is_instant: bool) -> Dated {
    let Some(known) = read(text).filter(|_| !is_instant) else { return Dated::Gone };
    match year_of(now) {
        Some(current) if current - known.year() <= MOST_YEARS => match known {
            Known::Year(_) => Dated::Same,
            _ => Dated::Text(text.get(..4).unwrap_or_default().to_owned()),
        },
        _ => Dated::Gone,
    }
}

/// How far the dates of patients move.
#[derive(Clone)]
pub(super) struct Shifting {
    key: Hmac<Sha256>,
    most: u16,
}

impl std::fmt::Debug for Shifting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shifting")
    }
}

impl Shifting {
    /// Moves dates by at most this many days, and by at least one, to either side.
    pub(super) fn new(key: Hmac<Sha256>, most: u16) -> Self {
        Self { key, most: most.max(1) }
    }

    /// The days by which everything of a patient moves: one of the `2 * most` that are not 0. Of the 64 bits of a hash that
    /// number is the remainder, and none is likelier than another by more than one in 10^14.
    fn days(&self, patient: &str) -> i64 {
        let mut mac = self.key.clone();
        mac.update(b"carewarden shift\0");
        mac.update(patient.as_bytes());
        let hash = mac.finalize().into_bytes();
        let number = hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let most = u64::from(self.most);
        let days = i64::try_from(number % (2 * most)).unwrap_or(0) - i64::from(self.most);
        if days >= 0 { days + 1 } else { days }
    }

    /// The date of a patient, moved. What has no day cannot be moved and loses all but its year.
    pub(super) fn shift(&self, text: &str, patient: &str, now: i64) -> Dated {
        let (date, rest) = match read(text) {
            Some(Known::Day(date, rest) | Known::Moment(date, rest)) => (date, rest),
            Some(Known::Year(_) | Known::Month(_)) => return year(text, now, false),
            None => return Dated::Gone,
        };
        let moved = date.checked_add(Duration::days(self.days(patient))).filter(|moved| (1..=9999).contains(&moved.year()));
        match (moved, year_of(now)) {
            (Some(moved), Some(current)) if current - moved.year() <= MOST_YEARS => {
                let (year, month, day) = moved.to_calendar_date();
                Dated::Text(format!("{year:04}-{:02}-{day:02}{rest}", u8::from(month)))
            }
            _ => Dated::Gone,
        }
    }
}

fn year_of(now: i64) -> Option<i32> {
    OffsetDateTime::from_unix_timestamp(now).ok().map(|now| now.year())
}

/// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, or `YYYY-MM-DDThh:mm:ss(.sss)(Z|±hh:mm)`.
fn read(text: &str) -> Option<Known<'_>> {
    let year = i32::try_from(digits(text.get(..4)?)?).ok().filter(|year| *year > 0)?;
    let Some(rest) = text.get(4..).filter(|rest| !rest.is_empty()) else { return Some(Known::Year(year)) };
    let rest = rest.strip_prefix('-')?;
    let month = u8::try_from(digits(rest.get(..2)?)?).ok().and_then(|month| time::Month::try_from(month).ok())?;
    let Some(rest) = rest.get(2..).filter(|rest| !rest.is_empty()) else { return Some(Known::Month(year)) };
    let rest = rest.strip_prefix('-')?;
    let day = u8::try_from(digits(rest.get(..2)?)?).ok()?;
    let date = Date::from_calendar_date(year, month, day).ok()?;
    let rest = rest.get(2..)?;
    if rest.is_empty() { Some(Known::Day(date, rest)) } else { is_time(rest).then_some(Known::Moment(date, rest)) }
}

/// Whether it is `Thh:mm:ss`, a fraction or none, and a zone.
fn is_time(text: &str) -> bool {
    let parts = || -> Option<()> {
        let text = text.strip_prefix('T')?;
        let (clock, rest) = text.split_at_checked(8)?;
        let mut numbers = clock.split(':').map(|part| if part.len() == 2 { digits(part) } else { None });
        let (hour, minute, second) = (numbers.next()??, numbers.next()??, numbers.next()??);
        if hour > 23 || minute > 59 || second > 60 || numbers.next().is_some() {
            return None;
        }
        let rest = match rest.strip_prefix('.') {
            Some(fraction) => {
                let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
                (zone.len() < fraction.len()).then_some(zone)?
            }
            None => rest,
        };
        if rest == "Z" {
            return Some(());
        }
        let (hours, minutes) = rest.strip_prefix(['+', '-'])?.split_once(':')?;
        let is_zone = hours.len() == 2 && minutes.len() == 2 && digits(hours)? <= 14 && digits(minutes)? <= 59;
        is_zone.then_some(())
    };
    parts().is_some()
}

fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit;

    use super::*;

    /// 2026-11-24.
    const NOW: i64 = 1_795_500_000;

    #[test]
    fn a_date_becomes_its_year_unless_that_tells_an_age_over_89() {
        let text = |text: &str| Dated::Text(text.to_owned());
        for (date, expected) in [
            ("1980", Dated::Same),
            ("1980-05", text("1980")),
            ("1980-02-29", text("1980")),
            ("2026-01-01T10:00:00Z", text("2026")),
            ("2026-01-01T23:59:60.123456+14:00", text("2026")),
            ("2030-01-01", text("2030")),
            ("1937-01-01", text("1937")),
            ("1937", Dated::Same),
            ("1936-12-31", Dated::Gone),
            ("1936", Dated::Gone),
            ("1900-01-01", Dated::Gone),
            ("0000", Dated::Gone),
            ("1981-02-29", Dated::Gone),
            ("1980-13-01", Dated::Gone),
            ("1980-00", Dated::Gone),
            ("1980-1-1", Dated::Gone),
            ("1980-01-01T", Dated::Gone),
            ("1980-01-01T10:00", Dated::Gone),
            ("1980-01-01T10:00:00", Dated::Gone),
            ("1980-01-01T24:00:00Z", Dated::Gone),
            ("1980-01-01T10:00:00.Z", Dated::Gone),
            ("1980-01-01T10:00:00+1:00", Dated::Gone),
            ("1980-01-01 10:00:00Z", Dated::Gone),
            ("19800", Dated::Gone),
            ("198", Dated::Gone),
            ("٢٠٢٠", Dated::Gone),
            ("born in 1980", Dated::Gone),
            ("", Dated::Gone),
        ] {
            assert_eq!(year(date, NOW, false), expected, "{date}");
        }
        assert_eq!(year("2026-01-01T10:00:00Z", NOW, true), Dated::Gone);
        assert_eq!(year("not one", NOW, true), Dated::Gone);
    }

    fn shifting(most: u16) -> Shifting {
        Shifting::new(Hmac::new_from_slice(&[7; 32]).unwrap(), most)
    }

    #[test]
    fn everything_of_a_patient_moves_alike_and_keeps_its_time() {
        let shifting = shifting(30);
        let day = |text: &str| match shifting.shift(text, "p1", NOW) {
            Dated::Text(text) => text,
            other => panic!("{text}: {other:?}"),
        };
        let (first, last) = (day("2020-02-28"), day("2020-03-01"));
        let (first, last) = (read(&first).unwrap(), read(&last).unwrap());
        let (Known::Day(first, _), Known::Day(last, _)) = (first, last) else { panic!("two days") };
        assert_eq!(last - first, Duration::days(2));
        assert!(day("2020-02-28T10:11:12.5+01:00").ends_with("T10:11:12.5+01:00"));
        assert_ne!(day("2020-02-28"), "2020-02-28");
        for (text, expected) in [
            ("2020", Dated::Same),
            ("2020-02", Dated::Text("2020".to_owned())),
            ("1910-02-28", Dated::Gone),
            ("9999-12-31", shifting.shift("9999-12-31", "p1", NOW)),
            ("2020-02-30", Dated::Gone),
            ("x", Dated::Gone),
        ] {
            assert_eq!(shifting.shift(text, "p1", NOW), expected, "{text}");
        }
    }

    #[test]
    fn patients_are_spread_over_all_days_but_none() {
        let shifting = shifting(10);
        let mut counts = std::collections::BTreeMap::new();
        (0..10_000).for_each(|patient| *counts.entry(shifting.days(&format!("p{patient}"))).or_insert(0) += 1);
        let expected: Vec<i64> = (-10..=10).filter(|days| *days != 0).collect();
        assert_eq!(counts.keys().copied().collect::<Vec<_>>(), expected);
        assert!(counts.values().all(|count| (400..600).contains(count)), "{counts:?}");
        assert_eq!(format!("{shifting:?}"), "Shifting");
    }
}
