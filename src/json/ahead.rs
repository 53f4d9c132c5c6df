//! A member or an element in one step, where it is written plainly.
//!
//! [`Lexer::ahead`] looks at the comma, the key and the value that come next, and reads nothing; [`Lexer::take`] reads them.
//! What it shows is what [`Lexer::next`] would give, token by token. It shows nothing where that would need more of the
//! text, be refused, or not be worth a step of its own: where a key has escapes or a token is cut by the end of `data`,
//! and outside the containers of a text.

use super::lexer::{Container, Expected};
use super::number::Number;
use super::scan::end_of_plain;
use super::string::{Progress, Text};
use super::{Framing, Lexer, Token};

/// What comes next: places are offsets in `data`.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// Where the comma before it stands, if that was not read yet.
    pub comma: Option<usize>,
    /// The opening quote of its key; of an element, its value.
    pub key: usize,
    /// The closing quote of its key; of an element, its value.
    pub key_end: usize,
    /// What its value is, or what opens it.
    pub value: Token,
    /// Where that begins.
    pub start: usize,
    /// Where that ends; of a container, its bracket.
    pub end: usize,
    escaped: bool,
}

impl Ahead {
    /// Whether its value is a container, of which only the bracket was seen.
    #[inline]
    #[must_use]
    pub fn is_container(&self) -> bool {
        matches!(self.value, Token::BeginObject | Token::BeginArray)
    }

    /// What stands between the quotes of a value that is a string without escapes.
    #[inline]
    #[must_use]
    pub fn plain_text<'d>(&self, data: &'d [u8]) -> Option<&'d [u8]> {
        let is_plain = self.value == Token::String && !self.escaped;
        data.get(self.start + 1..self.end.saturating_sub(1)).filter(|_| is_plain)
    }

    /// The key, which has no escapes, without its quotes.
    #[inline]
    #[must_use]
    pub fn key<'d>(&self, data: &'d [u8]) -> &'d [u8] {
        data.get(self.key + 1..self.key_end).unwrap_or_default()
    }
}

impl Lexer {
    /// The member or element that comes next in the innermost container.
    #[inline(always)]
    #[must_use]
    pub fn ahead(&self, data: &[u8]) -> Option<Ahead> {
        if self.unfinished.is_some() {
            return None;
        }
        let is_object = *self.open.last()? == Container::Object;
        let (mut at, mut byte) = self.white(data, self.at)?;
        let comma = match self.expected {
            Expected::Comma if byte == b',' => {
                let comma = at;
                (at, byte) = self.white(data, at + 1)?;
                Some(comma)
            }
            Expected::Key | Expected::FirstKey | Expected::Value | Expected::FirstValue => None,
            Expected::Comma | Expected::Colon | Expected::End => return None,
        };
        let (key, mut key_end) = (at, at);
        // What a value of an object stands behind was read by `next`.
        if is_object {
            if matches!(self.expected, Expected::Value) || byte != b'"' {
                return None;
            }
            key_end = end_of_plain(data, at + 1);
            if data.get(key_end) != Some(&b'"') || key_end - at > self.limits.max_key.saturating_add(1) {
                return None;
            }
            (at, byte) = self.white(data, key_end + 1)?;
            if byte != b':' {
                return None;
            }
            (at, byte) = self.white(data, at + 1)?;
        }
        let start = at;
        let (mut escaped, literal) = (false, |name: &[u8]| data.get(at..)?.starts_with(name).then(|| at + name.len()));
        let (value, end) = match byte {
            b'"' => {
                let end = end_of_plain(data, at + 1);
                if data.get(end) == Some(&b'"') {
                    (Token::String, end + 1)
                } else {
                    (Token::String, special_text(data, end, &mut escaped)?)
                }
            }
            b'{' if self.open.len() < self.limits.max_depth => (Token::BeginObject, at + 1),
            b'[' if self.open.len() < self.limits.max_depth => (Token::BeginArray, at + 1),
            b't' => (Token::True, literal(b"true")?),
            b'f' => (Token::False, literal(b"false")?),
            b'n' => (Token::Null, literal(b"null")?),
            _ => (Token::Number, self.number_ahead(data, at, byte)?),
        };
        Some(Ahead { comma, key, key_end, value, start, end, escaped })
    }

    /// Reads what was shown: its value, or what opens it, is the last token.
    #[inline]
    pub fn take(&mut self, ahead: &Ahead) {
        (self.start, self.at, self.escaped) = (ahead.start, ahead.end, ahead.escaped);
        self.expected = match ahead.value {
            Token::BeginObject => {
                self.open.push(Container::Object);
                Expected::FirstKey
            }
            Token::BeginArray => {
                self.open.push(Container::Array);
                Expected::FirstValue
            }
            _ => Expected::Comma,
        };
    }

    /// Where the innermost container ends, if that is what comes next.
    #[inline]
    #[must_use]
    pub fn end_ahead(&self, data: &[u8]) -> Option<usize> {
        if self.unfinished.is_some() {
            return None;
        }
        let (at, byte) = self.white(data, self.at)?;
        let ends = match (self.open.last()?, self.expected) {
            (Container::Object, Expected::Comma | Expected::FirstKey) => byte == b'}',
            (Container::Array, Expected::Comma | Expected::FirstValue) => byte == b']',
            _ => false,
        };
        ends.then_some(at)
    }

    /// Reads that end, which is the last token.
    #[inline]
    pub fn take_end(&mut self, at: usize) {
        (self.start, self.at) = (at, at + 1);
        self.open.pop();
        self.value_ended();
    }

    /// The first byte from `at` on that is no white space, and where it stands. No line ends where lines frame values.
    #[inline]
    fn white(&self, data: &[u8], at: usize) -> Option<(usize, u8)> {
        match data.get(at) {
            Some(byte) if *byte > b' ' => Some((at, *byte)),
            _ => self.after_white(data, at),
        }
    }

    #[inline(never)]
    fn after_white(&self, data: &[u8], at: usize) -> Option<(usize, u8)> {
        let lines = self.framing == Framing::Lines;
        let is_white = |byte: &u8| matches!(byte, b' ' | b'\t') || !lines && matches!(byte, b'\n' | b'\r');
        let length = data.get(at..)?.iter().position(|byte| !is_white(byte))?;
        Some((at + length, *data.get(at + length)?))
    }

    #[inline(never)]
    fn number_ahead(&self, data: &[u8], at: usize, byte: u8) -> Option<usize> {
        let mut number = Number::begin(byte)?;
        let mut end = at + 1;
        while let Some(next) = number.next(*data.get(end)?) {
            number = next;
            end += 1;
        }
        (number.is_whole() && end - at <= self.limits.max_number).then_some(end)
    }
}

/// Where a string ends that is not plain from `at` on.
#[inline(never)]
fn special_text(data: &[u8], at: usize, escaped: &mut bool) -> Option<usize> {
    match Text::Plain.read(data, at, escaped) {
        Ok(Progress::Closed(end)) => Some(end),
        Ok(Progress::Open(_)) | Err(_) => None,
    }
}
