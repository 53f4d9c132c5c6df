//! Strings (RFC 8259 section 7): their validity in pieces, and their meaning once they are whole.

use std::borrow::Cow;
use std::ops::Range;

use super::Error;
use super::scan::end_of_plain;

/// Where reading stands inside a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// Between characters.
    Plain,
    /// After a backslash.
    Escape,
    /// Inside the digits of `\u`: how many are left, the value so far, whether it has to be a low surrogate.
    Digits { left: u8, value: u16, low: bool },
    /// After the escape of a high surrogate, which needs that of a low one.
    High,
    /// After that and a backslash.
    HighEscape,
    /// Inside a UTF-8 sequence: bytes left, and the range of the next one.
    Sequence { left: u8, from: u8, to: u8 },
}

/// What reading a piece of a string came to.
pub(super) enum Progress {
    /// The closing quote was read; the index is the one after it.
    Closed(usize),
    /// The piece ended first.
    Open(Text),
}

impl Text {
    /// Reads on at `at`, which is behind the opening quote. `escaped` is set when a backslash is met.
    pub(super) fn read(self, data: &[u8], mut at: usize, escaped: &mut bool) -> Result<Progress, Error> {
        let mut state = self;
        loop {
            if state == Self::Plain {
                at = end_of_plain(data, at);
            }
            let Some(&byte) = data.get(at) else { return Ok(Progress::Open(state)) };
            at += 1;
            state = match (state, byte) {
                (Self::Plain, b'"') => return Ok(Progress::Closed(at)),
                (Self::Plain, b'\\') => {
                    *escaped = true;
                    Self::Escape
                }
                _ => state.next(byte)?,
            };
        }
    }

    /// The state after one byte more.
    pub(super) fn next(self, byte: u8) -> Result<Self, Error> {
        match (self, byte) {
            (Self::Plain, 0x20..0x80) => Ok(Self::Plain),
            (Self::Plain, 0..0x20) => Err(Error::Syntax),
            (Self::Plain, _) => Self::begin_sequence(byte),
            (Self::Sequence { left, from, to }, _) if (from..=to).contains(&byte) => Ok(match left {
                1 => Self::Plain,
                _ => Self::Sequence { left: left.saturating_sub(1), from: 0x80, to: 0xbf },
            }),
            (Self::Sequence { .. }, _) => Err(Error::Encoding),
            (Self::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(Self::Plain),
            (Self::Escape, b'u') => Ok(Self::Digits { left: 4, value: 0, low: false }),
            (Self::Escape, _) => Err(Error::Syntax),
            (Self::High, b'\\') => Ok(Self::HighEscape),
            (Self::HighEscape, b'u') => Ok(Self::Digits { left: 4, value: 0, low: true }),
            (Self::High | Self::HighEscape, _) => Err(Error::Encoding),
            (Self::Digits { left, value, low }, _) => {
                let digit = hex_digit(byte).ok_or(Error::Syntax)?;
                let value = (value << 4) | digit;
                match left {
                    1 => Self::after_digits(value, low),
                    _ => Ok(Self::Digits { left: left.saturating_sub(1), value, low }),
                }
            }
        }
    }

    /// The well-formed sequences of the Unicode standard, table 3-7: no overlong forms, no surrogates.
    fn begin_sequence(byte: u8) -> Result<Self, Error> {
        let (left, from, to) = match byte {
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xe1..=0xec | 0xee | 0xef => (2, 0x80, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return Err(Error::Encoding),
        };
        Ok(Self::Sequence { left, from, to })
    }

    fn after_digits(value: u16, low: bool) -> Result<Self, Error> {
        match (value, low) {
            (0xdc00..=0xdfff, true) => Ok(Self::Plain),
            (0xd800..=0xdbff, false) => Ok(Self::High),
            (0xdc00..=0xdfff, false) | (_, true) => Err(Error::Encoding),
            (_, false) => Ok(Self::Plain),
        }
    }
}

fn hex_digit(byte: u8) -> Option<u16> {
    char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok())
}

/// The characters of a string that was found valid, each with the bytes that write it.
#[derive(Clone, Debug)]
pub struct Characters<'a> {
    raw: &'a str,
    at: usize,
}

impl<'a> Characters<'a> {
    /// Reads what stands between the quotes.
    pub fn new(raw: &'a [u8]) -> Result<Self, Error> {
        std::str::from_utf8(raw).map(|raw| Self { raw, at: 0 }).map_err(|_| Error::Encoding)
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.take()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.digits()?;
                if !(0xd800..0xe000).contains(&first) {
                    return char::from_u32(first);
                }
                let rest = self.raw.get(self.at..)?.strip_prefix("\\u")?;
                self.at = self.raw.len() - rest.len();
                let second = self.digits()?;
                return char::decode_utf16([first, second].map(|unit| unit as u16)).next()?.ok();
            }
            other => other,
        })
    }

    fn digits(&mut self) -> Option<u32> {
        let end = self.at.checked_add(4)?;
        let value = u32::from_str_radix(self.raw.get(self.at..end)?, 16).ok()?;
        self.at = end;
        Some(value)
    }

    fn take(&mut self) -> Option<char> {
        let next = self.raw.get(self.at..)?.chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }
}

impl Iterator for Characters<'_> {
    type Item = (char, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        let character = match self.take()? {
            '\\' => self.escape()?,
            plain => plain,
        };
        Some((character, start..self.at))
    }
}

/// The UTF-8 text that a valid string stands for, `raw` being what stands between its quotes.
#[must_use]
pub fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let text: String = Characters::new(raw).map(|all| all.map(|(character, _)| character).collect()).unwrap_or_default();
    Cow::Owned(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on what stands behind the opening quote, read in pieces cut at `cut`.
    fn read(text: &[u8], cut: usize) -> Result<bool, Error> {
        let mut escaped = false;
        let (first, second) = text.split_at(cut);
        match Text::Plain.read(first, 0, &mut escaped)? {
            Progress::Closed(_) => Ok(true),
            Progress::Open(state) => Ok(matches!(state.read(second, 0, &mut escaped)?, Progress::Closed(_))),
        }
    }

    #[test]
    fn a_string_is_valid_or_not_wherever_it_is_cut() {
        let valid: &[&[u8]] = &[
            b"\"",
            b"plain text longer than a block\"",
            br#"\"\\\/\b\f\n\r\t""#,
            br#"\u0041\uD83d\uDE00""#,
            "é€😀\u{7f}\u{ffff}\"".as_bytes(),
        ];
        let invalid: &[(&[u8], Error)] = &[
            (b"\n\"", Error::Syntax),
            (b"\0\"", Error::Syntax),
            (br#"\x41""#, Error::Syntax),
            (br#"\u004g""#, Error::Syntax),
            (br#"\u+041""#, Error::Syntax),
            (br#"\ud83d""#, Error::Encoding),
            (br#"\ud83dA""#, Error::Encoding),
            (br#"\ud83d\n""#, Error::Encoding),
            (br#"\ud83d\ud83d""#, Error::Encoding),
            (br#"\ude00""#, Error::Encoding),
            (b"\xc0\xaf\"", Error::Encoding),
            (b"\xe0\x80\xaf\"", Error::Encoding),
            (b"\xed\xa0\x80\"", Error::Encoding),
            (b"\xf4\x90\x80\x80\"", Error::Encoding),
            (b"\xf5\x80\x80\x80\"", Error::Encoding),
            (b"\x80\"", Error::Encoding),
            (b"\xc3\"", Error::Encoding),
        ];
        for text in valid {
            assert!((0..=text.len()).all(|cut| read(text, cut) == Ok(true)), "{text:?}");
        }
        for (text, error) in invalid {
            assert!((0..=text.len()).all(|cut| read(text, cut) == Err(*error)), "{text:?}");
        }
    }

    #[test]
    fn unescaping_gives_the_text_that_was_meant() {
        for (raw, meant) in [
            ("plain", "plain"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"n\u0061me", "name"),
            (r"\ud83d\ude00é", "😀é"),
            (r"\u0000", "\0"),
        ] {
            assert_eq!(unescape(raw.as_bytes()), meant.as_bytes(), "{raw}");
        }
    }

    #[test]
    fn a_character_knows_the_bytes_that_write_it() {
        let spans: Vec<_> = Characters::new(r"a\ud83d\ude00\né".as_bytes()).unwrap().collect();
        assert_eq!(spans, [('a', 0..1), ('😀', 1..13), ('\n', 13..15), ('é', 15..17)]);
    }
}
