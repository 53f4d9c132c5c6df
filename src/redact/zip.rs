//! US ZIP codes, cut to what 45 CFR 164.514(b)(2)(i)(B) lets stay: the first three digits, or zeros where fewer than
//! 20,001 people live in the area that has them. Every other postal code goes, also one that looks the same and stands
//! beside the name of another country: half of the world has five digits.

use crate::policy::model::{Zip3Form, Zip3Options};

/// Areas of 20,000 people or fewer: all that stand in the guidance of HHS (2000 census) or in lists after the census of 2010.
const RESTRICTED: &[&str] = &[
    "036", "059", "063", "102", "203", "205", "369", "556", "692", "790", "821", "823", "830", "831", "878", "879", "884",
    "890", "893",
];

/// How ZIP codes are cut.
#[derive(Debug)]
pub(super) struct Zip3 {
    restricted: Vec<String>,
    form: Zip3Form,
}

impl Zip3 {
    pub(super) fn new(options: &Zip3Options) -> Self {
        let shipped = || RESTRICTED.iter().map(|&area| area.to_owned()).collect();
        Self { restricted: options.restricted.clone().unwrap_or_else(shipped), form: options.form }
    }

    /// What is left of a postal code: five digits, with four more behind a hyphen or not, and nothing else.
    pub(super) fn cut(&self, text: &str) -> Option<String> {
        let (area, rest) = text.split_at_checked(3)?;
        let (local, more) = rest.split_at_checked(2)?;
        let more = more.strip_prefix('-').map_or_else(
            || Some(more).filter(|more| matches!(more.len(), 0 | 4)),
            |four| (four.len() == 4).then_some(four),
        )?;
        if ![area, local, more].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())) {
            return None;
        }
        let area = if self.restricted.iter().any(|known| known == area) { "000" } else { area };
        Some(match self.form {
            Zip3Form::Padded => format!("{area}00"),
            Zip3Form::ThreeDigits => area.to_owned(),
        })
    }
}

/// Whether a `country` is the United States, by its name or an ISO 3166 code. Possessions that use ZIP codes are not.
pub(super) fn is_united_states(country: &[u8]) -> bool {
    const NAMES: &[&str] = &["us", "usa", "840", "united states", "united states of america"];
    let plain = std::str::from_utf8(country).unwrap_or_default().trim().replace('.', "").to_ascii_lowercase();
    NAMES.contains(&plain.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_us_zip_codes_leave_their_area() {
        let zip = Zip3::new(&Zip3Options::default());
        for (text, expected) in [
            ("98052", Some("98000")),
            ("98052-6399", Some("98000")),
            ("980526399", Some("98000")),
            ("03601-1234", Some("00000")),
            ("89301", Some("00000")),
            ("9805", None),
            ("980", None),
            ("980521", None),
            ("98052-", None),
            ("98052-639", None),
            ("98052 6399", None),
            (" 98052", None),
            ("SW1A 1AA", None),
            ("K1A 0B1", None),
            ("D-10115", None),
            ("９８０５２", None),
            ("", None),
        ] {
            assert_eq!(zip.cut(text).as_deref(), expected, "{text}");
        }
        for (country, is) in [("US", true), ("u.s.a.", true), ("United States", true), ("DE", false), ("", false)] {
            assert_eq!(is_united_states(country.as_bytes()), is, "{country}");
        }
        let own = Zip3::new(&Zip3Options { restricted: Some(vec!["980".to_owned()]), form: Zip3Form::ThreeDigits });
        assert_eq!((own.cut("98052").as_deref(), own.cut("03601").as_deref()), (Some("000"), Some("036")));
    }
}
