//! Reading a normalised text forwards, byte by byte, and what may stand around a match.

use std::ops::Range;

/// A letter outside ASCII of a script that puts spaces between words.
pub(super) const LETTER: u8 = 0x80;
/// Any other letter outside ASCII.
pub(super) const WIDE_LETTER: u8 = 0x81;
/// Any other character outside ASCII.
pub(super) const SYMBOL: u8 = 0x82;
/// The end of a line, a table cell or a paragraph, which nothing reaches across.
pub(super) const BREAK: u8 = b'\n';

/// Words that may stand between a cue and what it announces.
const FILLERS: &[&str] = &["is", "no", "nr", "num", "nbr", "number", "id", "of", "the", "was", "code"];

/// A place in a text. All reading is bounded by what is asked for.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    text: &'t [u8],
    pub(super) at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t [u8], at: usize) -> Self {
        Self { text, at }
    }

    /// The byte here, or 0 at the end.
    pub(super) fn peek(&self) -> u8 {
        byte(self.text, self.at)
    }

    /// Goes past the byte here if it is in `set`.
    pub(super) fn eat(&mut self, set: &[u8]) -> Option<u8> {
        let here = self.text.get(self.at).filter(|byte| set.contains(byte))?;
        self.at = self.at.saturating_add(1);
        Some(*here)
    }

    /// Goes past at most `max` bytes that fit, and says which.
    pub(super) fn run(&mut self, max: usize, fits: impl Fn(u8) -> bool) -> &'t [u8] {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().take(max).take_while(|byte| fits(**byte)).count();
        self.at = self.at.saturating_add(length);
        rest.get(..length).unwrap_or_default()
    }

    /// A whole run of digits whose length is in `lengths`.
    pub(super) fn digits(&mut self, lengths: Range<usize>) -> Option<&'t [u8]> {
        let digits = self.run(lengths.end, |byte| byte.is_ascii_digit());
        lengths.contains(&digits.len()).then_some(digits)
    }

    /// A whole run of letters, of at most `max`, in lower case.
    pub(super) fn word(&mut self, max: usize) -> Option<String> {
        let letters = self.run(max.saturating_add(1), |byte| byte.is_ascii_alphabetic());
        let fits = !letters.is_empty() && letters.len() <= max && self.peek() != LETTER;
        fits.then(|| lower(letters))
    }
}

/// The byte at a place, or 0 where there is none.
pub(super) fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// The byte before a place, or 0 where there is none.
pub(super) fn before(text: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(0, |at| byte(text, at))
}

/// The number that at most nine digits stand for.
pub(super) fn number(digits: &[u8]) -> u32 {
    digits
        .iter()
        .fold(0, |value: u32, digit| value.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0'))))
}

pub(super) fn lower(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

/// Whether a byte is part of a word, so that a match may not begin or end next to it.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == LETTER
}

/// Whether a number begins here: at a digit, with no digit before it.
pub(super) fn begins_digits(text: &[u8], at: usize) -> bool {
    byte(text, at).is_ascii_digit() && !before(text, at).is_ascii_digit()
}

/// Whether no word and no decimal or dotted number goes on before `at`.
pub(super) fn free_before(text: &[u8], at: usize) -> bool {
    let last = before(text, at);
    let goes_on = last == b'.' && before(text, at.saturating_sub(1)).is_ascii_digit();
    !(is_word(last) || goes_on)
}

/// Whether no word and no decimal or dotted number goes on at `at`.
pub(super) fn free_after(text: &[u8], at: usize) -> bool {
    let next = byte(text, at);
    let goes_on = next == b'.' && byte(text, at.saturating_add(1)).is_ascii_digit();
    !(is_word(next) || goes_on)
}

/// Whether one of `cues` stands before `at`.
pub(super) fn has_cue(text: &[u8], at: usize, cues: &[&str]) -> bool {
    cue(text, at, cues).is_some()
}

/// Where the one of `cues` begins that stands before `at`, with nothing but punctuation, breaks and up to three words such as
/// `number` or `is` between.
pub(super) fn cue(text: &[u8], at: usize, cues: &[&str]) -> Option<usize> {
    let mut at = at;
    for _ in 0..4 {
        at = back(text, at, 8, |byte| b" :#=.-_()[]'\"/,".contains(&byte) || byte == BREAK);
        let start = back(text, at, 12, |byte| byte.is_ascii_alphabetic());
        let word = lower(text.get(start..at).unwrap_or_default());
        if is_word(before(text, start)) || word.is_empty() {
            return None;
        }
        if cues.contains(&word.as_str()) {
            return Some(start);
        }
        if !FILLERS.contains(&word.as_str()) {
            return None;
        }
        at = start;
    }
    None
}

/// Where the run of at most `max` bytes that fit and end at `at` begins.
pub(super) fn back(text: &[u8], at: usize, max: usize, fits: impl Fn(u8) -> bool) -> usize {
    let earlier = text.get(..at).unwrap_or_default();
    at.saturating_sub(earlier.iter().rev().take(max).take_while(|byte| fits(**byte)).count())
}
