//! What happens to a value.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::date::{self, Dated, Shifting};
use super::detect::Detectors;
use super::error::Error as Refused;
use super::recent::{Hex, Recent};
use super::reference::split_at_id;
use super::zip::Zip3;
use crate::json::{Characters, Error, unescape};

/// What happens to a value, ready to be done.
#[derive(Debug)]
pub(super) enum Action {
    /// It goes.
    Remove,
    /// It stays.
    Keep,
    /// This JSON stands in its place.
    Replace(Box<[u8]>),
    /// The characters of a string are put out of sight.
    Mask(Mask),
    /// A string's keyed hash stands in its place.
    Hash(HashKey),
    /// Of a date its year is left.
    Year,
    /// A date is moved with its patient.
    Shift(Shifting),
    /// Of a ZIP code its area is left.
    Zip3(Zip3),
    /// Of an Age over 89 it is left that it is one.
    AgeCap,
    /// What detectors find in a text goes.
    Scan(Rc<Detectors>),
    /// A narrative that may not be shown is written over, or refused.
    Narrative(Narrative),
}

/// What is known of a string beside its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'r> {
    /// It is a reference, or a URL that may be one.
    pub(super) is_reference: bool,
    /// It is an instant, which cannot be less exact.
    pub(super) is_instant: bool,
    /// It is XHTML.
    pub(super) is_markup: bool,
    /// The patient it is about.
    pub(super) patient: Option<&'r str>,
    /// Seconds since 1970.
    pub(super) now: Option<i64>,
}

/// What an action makes of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It stays, byte for byte.
    Same,
    /// What was written stands in its place.
    Text,
    /// It goes.
    Gone,
    /// It goes; where it has to be there, it is said to be hidden.
    Absent,
}

impl Action {
    /// Whether it acts on strings alone, so that of an array it is for each element.
    pub(super) fn is_for_strings(&self) -> bool {
        match self {
            Self::Mask(_)
            | Self::Hash(_)
            | Self::Year
            | Self::Shift(_)
            | Self::Zip3(_)
            | Self::Scan(_)
            | Self::Narrative(_) => true,
            Self::Remove | Self::Keep | Self::Replace(_) | Self::AgeCap => false,
        }
    }

    /// What it makes of a string; `raw` is what stands between its quotes. What is written goes to the end of `out`.
    pub(super) fn write(
        &self,
        raw: &[u8],
        value: About<'_>,
        recent: &mut Recent,
        out: &mut Vec<u8>,
    ) -> Result<Written, Refused> {
        let About { is_reference, is_markup, .. } = value;
        match self {
            Self::Remove | Self::AgeCap => return Ok(Written::Gone),
            Self::Keep => return Ok(Written::Same),
            Self::Replace(value) => out.extend_from_slice(value),
            Self::Mask(mask) => mask.write(raw, out)?,
            Self::Hash(key) => {
                out.reserve(raw.len() + 66);
                key.write(raw, is_reference, recent, out)?;
            }
            Self::Scan(detectors) => {
                let found = if is_markup { detectors.write_xhtml(raw, out)? } else { detectors.write(raw, out)? };
                if found == 0 {
                    return Ok(Written::Same);
                }
            }
            Self::Narrative(narrative) => return narrative.write(raw, out),
            Self::Year | Self::Shift(_) | Self::Zip3(_) => {
                let text = unescape(raw);
                let Ok(text) = std::str::from_utf8(&text) else { return Ok(Written::Gone) };
                return Ok(self.generalize(text, value, out));
            }
        }
        Ok(Written::Text)
    }

    fn generalize(&self, text: &str, value: About<'_>, out: &mut Vec<u8>) -> Written {
        let About { is_instant, patient, now, .. } = value;
        let dated = match (self, now, patient) {
            (Self::Zip3(zip), ..) => return zip.cut(text).map_or(Written::Gone, |area| quoted(&area, out)),
            (Self::Year, Some(now), _) => date::year(text, now, is_instant),
            (Self::Shift(shifting), Some(now), Some(patient)) => shifting.shift(text, patient, now),
            // Whose date it is, or how long ago, nobody knows.
            _ => Dated::Gone,
        };
        match dated {
            Dated::Same => Written::Same,
            Dated::Text(text) => quoted(&text, out),
            Dated::Gone => Written::Absent,
        }
    }
}

/// A JSON string of digits, signs and letters alone.
fn quoted(text: &str, out: &mut Vec<u8>) -> Written {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Written::Text
}

/// How narratives are held to what may be shown.
#[derive(Clone, Copy, Debug)]
pub struct Narrative {
    /// Whether a narrative, unescaped, may be shown.
    pub is_harmless: fn(&str) -> bool,
    /// Whether an answer with one that may not is refused; else that one is written over.
    pub refuses: bool,
}

/// What is written over a narrative: one that R4 takes (narrative.html, txt-1 and txt-2).
const NOT_SHOWN: &[u8] =
    br#""<div xmlns=\"http://www.w3.org/1999/xhtml\">This text is not shown: it had markup that FHIR does not permit.</div>""#;

impl Narrative {
    fn write(self, raw: &[u8], out: &mut Vec<u8>) -> Result<Written, Refused> {
        // What is no Unicode is nothing that could be judged.
        if std::str::from_utf8(&unescape(raw)).is_ok_and(self.is_harmless) {
            return Ok(Written::Same);
        }
        if self.refuses {
            return Err(Refused::Narrative);
        }
        out.extend_from_slice(NOT_SHOWN);
        Ok(Written::Text)
    }
}

/// How a string is masked.
#[derive(Debug)]
pub(super) struct Mask {
    keep_last: usize,
    /// What is written for a character, as it stands in a JSON string.
    with: Box<[u8]>,
}

impl Mask {
    pub(super) fn new(keep_last: usize, with: char) -> Self {
        let quoted = serde_json::to_vec(&with).unwrap_or_default();
        let with = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or(b"*");
        Self { keep_last, with: with.into() }
    }

    /// Writes the masked form of a string; `raw` is what stands between its quotes. What stays is copied as it was
    /// written. At most half of the string stays, so that a short one is not shown whole.
    pub(super) fn write(&self, raw: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut characters = Characters::new(raw)?;
        let count = characters.clone().count();
        let hidden = count.saturating_sub(self.keep_last.min(count / 2));
        let shown = characters.nth(hidden).map_or(raw.len(), |(_, place)| place.start);
        out.push(b'"');
        (0..hidden).for_each(|_| out.extend_from_slice(&self.with));
        out.extend_from_slice(raw.get(shown..).unwrap_or_default());
        out.push(b'"');
        Ok(())
    }
}

/// The key of one profile's hashes.
#[derive(Clone)]
pub(super) struct HashKey {
    mac: Hmac<Sha256>,
    /// Tells it from other keys.
    name: u64,
}

impl HashKey {
    /// Derives the key from a secret and the name of the profile, so that hashes of two profiles cannot be matched.
    pub(super) fn new(secret: &[u8], profile: &str) -> Option<Self> {
        let mut derivation = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        derivation.update(b"carewarden redaction\0");
        derivation.update(profile.as_bytes());
        let key = derivation.finalize().into_bytes();
        let mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        let name = mac.clone().chain_update(b"carewarden name\0").finalize().into_bytes();
        Some(Self { mac, name: name.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)) })
    }

    /// The key itself, for what is derived in another way.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }

    /// The HMAC-SHA-256 of a text in hexadecimal.
    pub(super) fn hash(&self, text: &str) -> String {
        self.hex(text.as_bytes()).map(char::from).iter().collect()
    }

    fn hex(&self, text: &[u8]) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let hash = self.mac.clone().chain_update(text).finalize().into_bytes();
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(hash) {
            let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        hex
    }

    /// Writes the HMAC-SHA-256 of a string in hexadecimal; of a reference only the id's. `raw` is what stands between
    /// the string's quotes.
    pub(super) fn write(
        &self,
        raw: &[u8],
        is_reference: bool,
        recent: &mut Recent,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let meant = unescape(raw);
        let text = std::str::from_utf8(&meant).map_err(|_| Error::Encoding)?;
        if is_reference && text == "#" {
            // The resource around a contained one, which has no id here.
            out.extend_from_slice(b"\"#\"");
            return Ok(());
        }
        let [before, id, after] = if is_reference { split_at_id(text) } else { None }.unwrap_or(["", text, ""]);
        let hash = recent.hash(self.name, id.as_bytes(), || self.hex(id.as_bytes()));
        out.push(b'"');
        // What was written without escapes needs none.
        let written = |text| match meant {
            Cow::Borrowed(_) => Ok(Cow::Borrowed(str::as_bytes(text))),
            Cow::Owned(_) => escaped(text).map(Cow::Owned),
        };
        out.extend_from_slice(&written(before)?);
        out.extend_from_slice(&hash);
        out.extend_from_slice(&written(after)?);
        out.push(b'"');
        Ok(())
    }
}

/// A text as it is written between quotes.
fn escaped(text: &str) -> Result<Vec<u8>, Error> {
    let mut quoted = serde_json::to_vec(text).map_err(|_| Error::Encoding)?;
    quoted.pop();
    Ok(quoted.split_off(1.min(quoted.len())))
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(raw: &str, keep_last: usize, with: char) -> String {
        let mut out = Vec::new();
        Mask::new(keep_last, with).write(raw.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_mask_counts_characters_and_never_shows_more_than_half() {
        assert_eq!(masked("123-45-6789", 4, '*'), r#""*******6789""#);
        assert_eq!(masked("12345", 4, '*'), r#""***45""#);
        assert_eq!(masked("1", 4, '*'), r#""*""#);
        assert_eq!(masked("", 4, '*'), r#""""#);
        assert_eq!(masked("abcd", 0, '*'), r#""****""#);
        assert_eq!(masked(r"\ud83d\ude00\u00e9\n😀", 2, 'x'), r#""xx\n😀""#);
        assert_eq!(masked("ab", 0, '"'), r#""\"\"""#);
        assert_eq!(masked("a", 0, '\u{1}'), r#""\u0001""#);
    }

    fn hashed(profile: &str, raw: &str, is_reference: bool) -> String {
        let mut out = Vec::new();
        let key = HashKey::new(&[7; 32], profile).unwrap();
        key.write(raw.as_bytes(), is_reference, &mut Recent::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap().trim_matches('"').to_owned()
    }

    #[test]
    fn a_hash_replaces_the_id_of_a_reference_and_the_whole_of_anything_else() {
        let id = hashed("p", "123", false);
        assert!(id.len() == 64 && id.bytes().all(|byte| b"0123456789abcdef".contains(&byte)));
        assert_eq!(hashed("p", "12\\u0033", false), id);
        assert_eq!(hashed("p", "Patient/123", true), format!("Patient/{id}"));
        assert_eq!(
            hashed("p", r"https:\/\/x\/Patient\/123\/_history\/1", true),
            format!("https://x/Patient/{id}/_history/1")
        );
        assert_eq!(hashed("p", "Patient/123", false).len(), 64);
        assert_eq!(hashed("p", "Patient?name=x", true).len(), 64);
        assert_eq!(hashed("p", "https://x/Patient/1/Observation/2", true).len(), 64);
        assert_eq!(hashed("p", "Patient/123/_history/MTY3MDAwMDAwMA", true), format!("Patient/{id}"));
        assert_eq!(hashed("p", "Patient/123/_history/20240131", true), format!("Patient/{id}"));
        assert_eq!((hashed("p", "#", true).as_str(), hashed("p", "#", false).len()), ("#", 64));
    }

    #[test]
    fn hashes_of_two_profiles_differ_and_the_key_is_not_shown() {
        assert_ne!(hashed("p", "123", false), hashed("q", "123", false));
        assert_eq!(format!("{:?}", HashKey::new(&[7; 32], "p")), "Some(HashKey)");
    }
}
