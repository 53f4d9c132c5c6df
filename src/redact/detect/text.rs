//! Text as the detectors read it: one byte a character, with the way back to the bytes that wrote it.
//!
//! What looks alike is alike: digits of any script are ASCII digits (Unicode general category Nd), dashes are `-`, spaces
//! of any width are one space however many stand together, full-width forms are ASCII, and what has no width (zero-width
//! spaces and joiners, directional marks, combining marks, control characters) is not there. Letters and symbols outside
//! ASCII are one byte each that says which of the two they are; it is never read back.
//!
//! A soft hyphen (U+00AD) may stand for a hyphen or for nothing, and what only resembles a digit, a dash or a dot
//! ([`look_alike`]) for that or for a symbol. A text that has one of them is read both ways.

use std::ops::Range;

use super::cursor::{BREAK, LETTER, SYMBOL, WIDE_LETTER};
use super::look_alike;

/// What the characters stand for that may stand for two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// A soft hyphen for nothing, a look-alike for a symbol or letter.
    Strict,
    /// For what they look like.
    Loose,
}

/// A text that is read as one, both ways where it has a character that asks for it.
pub(super) struct Piece {
    lines: Lines,
    text: Text,
    loose: Option<Text>,
}

impl Piece {
    pub(super) fn new(lines: Lines) -> Self {
        Self { lines, text: Text::default(), loose: None }
    }

    /// Adds a character that the source has at `span`.
    pub(super) fn push(&mut self, character: char, span: &Range<u32>) {
        let folded = fold(character);
        if matches!(folded, Folded::SoftHyphen | Folded::Doubtful { .. }) && self.loose.is_none() {
            self.loose = Some(self.text.clone());
        }
        self.text.push(folded, span, Reading::Strict, self.lines);
        if let Some(text) = &mut self.loose {
            text.push(folded, span, Reading::Loose, self.lines);
        }
    }

    /// Ends a line, a cell or a paragraph, without a character of its own.
    pub(super) fn end_block(&mut self, at: u32) {
        self.text.add(BREAK, &(at..at));
        if let Some(text) = &mut self.loose {
            text.add(BREAK, &(at..at));
        }
    }

    /// What the detectors read.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Text> {
        std::iter::once(&self.text).chain(&self.loose)
    }
}

const SOFT_HYPHEN: char = '\u{ad}';

/// A normalised text. `spans` has as many elements as `bytes`.
#[derive(Clone, Default)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    spans: Vec<(u32, u32)>,
    /// Whether the whitespace at the end has a line feed.
    feeds: bool,
}

/// Where line feeds stand for no more than a space, as in HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// An empty line ends a paragraph.
    Matter,
    /// They are spaces.
    Collapse,
}

impl Text {
    fn push(&mut self, folded: Folded, span: &Range<u32>, reading: Reading, lines: Lines) {
        match folded {
            Folded::Byte(byte) => self.add(byte, span),
            Folded::Doubtful { is, resembles } => self.add(if reading == Reading::Loose { resembles } else { is }, span),
            Folded::SoftHyphen if reading == Reading::Loose => self.add(b'-', span),
            Folded::SoftHyphen | Folded::Nothing => self.extend(span),
            Folded::Space => self.space(span, false),
            Folded::LineFeed => self.space(span, lines == Lines::Matter),
        }
    }

    /// The source of a match: runs of bytes, in order, that may be written over.
    pub(super) fn sources(&self, matched: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let spans = self.spans.get(matched.clone()).unwrap_or_default();
        spans.chunk_by(|one, next| one.1 == next.0).filter_map(|run| {
            let (first, last) = (run.first()?, run.last()?);
            (first.0 < last.1).then_some(first.0 as usize..last.1 as usize)
        })
    }

    fn add(&mut self, byte: u8, span: &Range<u32>) {
        self.feeds = false;
        self.bytes.push(byte);
        self.spans.push((span.start, span.end));
    }

    /// A space, or more of the one before.
    fn space(&mut self, span: &Range<u32>, feeds: bool) {
        match self.bytes.last_mut() {
            Some(last) if matches!(*last, b' ' | BREAK) => {
                if feeds && self.feeds {
                    *last = BREAK;
                }
                self.extend(span);
            }
            _ => self.add(b' ', span),
        }
        self.feeds |= feeds;
    }

    /// Makes what follows the last character directly a part of it.
    fn extend(&mut self, span: &Range<u32>) {
        if let Some(last) = self.spans.last_mut().filter(|last| last.1 == span.start) {
            last.1 = span.end;
        }
    }
}

#[derive(Clone, Copy)]
enum Folded {
    Byte(u8),
    Doubtful { is: u8, resembles: u8 },
    Space,
    LineFeed,
    SoftHyphen,
    Nothing,
}

fn fold(character: char) -> Folded {
    match character {
        '\n' | '\u{85}' | '\u{2028}' => Folded::LineFeed,
        '\u{2029}' => Folded::Byte(BREAK),
        '\t' | '\r' | '\u{b}' | '\u{c}' | ' ' => Folded::Space,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Folded::Nothing,
        ' '..='\u{7e}' => u8::try_from(character).map_or(Folded::Nothing, Folded::Byte),
        SOFT_HYPHEN => Folded::SoftHyphen,
        '\u{2010}'..='\u{2015}'
        | '\u{2043}'
        | '\u{2212}'
        | '\u{2e3a}'
        | '\u{2e3b}'
        | '\u{30fc}'
        | '\u{fe58}'
        | '\u{fe63}' => Folded::Byte(b'-'),
        '\u{2018}' | '\u{2019}' | '\u{2bc}' => Folded::Byte(b'\''),
        '\u{2024}' | '\u{3002}' | '\u{fe52}' => Folded::Byte(b'.'),
        '\u{2044}' | '\u{2215}' => Folded::Byte(b'/'),
        '\u{fe6b}' => Folded::Byte(b'@'),
        '\u{fe55}' | '\u{2236}' | '\u{a789}' => Folded::Byte(b':'),
        '\u{ff01}'..='\u{ff5e}' => {
            u8::try_from(u32::from(character).saturating_sub(0xfee0)).map_or(Folded::Nothing, Folded::Byte)
        }
        _ if is_zero_width(character) => Folded::Nothing,
        _ if character.is_whitespace() || character == '\u{2800}' => Folded::Space,
        _ => match digit(character) {
            Some(digit) => Folded::Byte(digit),
            None => look_alike::doubtful(character)
                .map_or(Folded::Byte(class(character)), |resembles| Folded::Doubtful { is: class(character), resembles }),
        },
    }
}

fn is_zero_width(character: char) -> bool {
    let is_blank = matches!(character, '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    is_blank || look_alike::is_mark(character)
}

fn class(character: char) -> u8 {
    match character {
        // Latin, Greek, Cyrillic, Armenian: a number next to one of these is part of a word.
        ..'\u{590}' | '\u{1e00}'..'\u{2000}' if character.is_alphabetic() => LETTER,
        _ if character.is_alphabetic() => WIDE_LETTER,
        _ => SYMBOL,
    }
}

/// Where each ten digits of general category Nd begin (Unicode 16, DerivedNumericType.txt), after ASCII and the
/// full-width forms.
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20, 0x1040,
    0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0,
    0xa9f0, 0xaa50, 0xabf0, 0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0,
    0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16130,
    0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0,
    0x1e5f1, 0x1e950, 0x1fbf0,
];

fn digit(character: char) -> Option<u8> {
    let code = u32::from(character);
    let zero = ZEROS.get(ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?)?;
    let value = u8::try_from(code.saturating_sub(*zero)).ok().filter(|value| *value < 10)?;
    value.checked_add(b'0')
}
