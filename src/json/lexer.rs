//! A lexer of bytes that can stop and go on anywhere.
//!
//! [`Lexer::next`] gives one token of `data`, or `None` where `data` ends before a token does; it is then called again
//! with more: with data that goes on where the last ended, after [`Lexer::rebase`], or with the same data grown longer.
//! What it gives does not depend on where the pieces were cut. Commas are tokens, since whoever takes a member out has to
//! know where they stand; colons are not.
//!
//! The grammar is checked whole. Strings are of any length: a token that is not finished can be asked about
//! ([`Lexer::unfinished`]), so that its bytes can leave before it ends. Keys and numbers are bounded.

use super::number::Number;
use super::scan::end_of_plain;
use super::string::{Progress, Text};
use super::{Error, Limits};

/// What stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// `{`
    BeginObject,
    /// `}`
    EndObject,
    /// `[`
    BeginArray,
    /// `]`
    EndArray,
    /// `,`
    Comma,
    /// A key, quotes included.
    Key,
    /// A string, quotes included.
    String,
    /// A number.
    Number,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
    /// The end of a line, where a text is one value a line.
    Newline,
}

/// Whether a text is one value or one value a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One value.
    One,
    /// One value a line (ndjson). Lines may be empty, end with `\r\n`, and the last need not end; a value never goes
    /// over a line's end, where a reader of lines would cut it.
    Lines,
}

/// A place between tokens to go back to: behind an opening bracket or a key.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// How many containers are around the innermost one.
    around: usize,
    container: Container,
    expected: Expected,
    start: usize,
    at: usize,
}

impl Place {
    /// Says that the next data begins `by` bytes later.
    pub fn rebase(&mut self, by: usize) {
        self.start = self.start.saturating_sub(by);
        self.at = self.at.saturating_sub(by);
    }
}

/// The lexer. It owns no bytes; see the module's documentation.
#[derive(Clone, Debug)]
pub struct Lexer {
    pub(super) limits: Limits,
    pub(super) framing: Framing,
    pub(super) open: Vec<Container>,
    pub(super) expected: Expected,
    pub(super) unfinished: Option<Unfinished>,
    pub(super) start: usize,
    pub(super) at: usize,
    pub(super) escaped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Object,
    Array,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// A value.
    Value,
    /// A value or the end of the array.
    FirstValue,
    /// A key.
    Key,
    /// A key or the end of the object.
    FirstKey,
    Colon,
    /// A comma or the end of the container.
    Comma,
    /// Nothing more, or the next line.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// A key or a string.
    Text(Token, Text),
    Number(Number),
    /// A name and how much of it has been read.
    Literal(Token, usize),
}

impl Lexer {
    /// A lexer at the beginning of a text.
    #[must_use]
    pub fn new(limits: Limits, framing: Framing) -> Self {
        let (open, expected) = (Vec::new(), Expected::Value);
        Self { limits, framing, open, expected, unfinished: None, start: 0, at: 0, escaped: false }
    }

    /// How many containers are open.
    #[inline]
    #[must_use]
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// Where the last token, or the unfinished one, begins.
    #[inline]
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// Up to where `data` was read.
    #[inline]
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether the last key or string holds escapes.
    #[inline]
    #[must_use]
    pub fn escaped(&self) -> bool {
        self.escaped
    }

    /// The last token's bytes; of a key or a string what stands between the quotes.
    #[inline]
    #[must_use]
    pub fn text<'d>(&self, token: Token, data: &'d [u8]) -> &'d [u8] {
        let quote = usize::from(matches!(token, Token::Key | Token::String));
        data.get(self.start + quote..self.at.saturating_sub(quote)).unwrap_or_default()
    }

    /// What token `data` ended in, if in one.
    #[must_use]
    pub fn unfinished(&self) -> Option<Token> {
        self.unfinished.map(|unfinished| match unfinished {
            Unfinished::Number(_) => Token::Number,
            Unfinished::Text(token, _) | Unfinished::Literal(token, _) => token,
        })
    }

    /// Says that the next `data` begins `by` bytes later. What a token began with may be gone.
    pub fn rebase(&mut self, by: usize) {
        self.at = self.at.saturating_sub(by);
        self.start = self.start.saturating_sub(by);
    }

    /// The place behind the opening bracket or the key just read, where [`Lexer::go_back`] returns to.
    #[must_use]
    pub fn place(&self) -> Place {
        let Self { expected, start, at, .. } = *self;
        let container = self.open.last().copied().unwrap_or(Container::Array);
        Place { around: self.open.len().saturating_sub(1), container, expected, start, at }
    }

    /// Goes back to a place in a container that is open or has just ended. What is around it must still be open.
    pub fn go_back(&mut self, place: Place) {
        let Place { around, container, expected, start, at } = place;
        self.open.truncate(around);
        self.open.push(container);
        self.unfinished = None;
        (self.expected, self.start, self.at) = (expected, start, at);
    }

    /// The next token; `None` when `data` ends before it does.
    #[inline]
    pub fn next(&mut self, data: &[u8]) -> Result<Option<Token>, Error> {
        if self.unfinished.is_some() {
            return self.go_on(data);
        }
        loop {
            let Some(byte) = self.skip_whitespace(data)? else { return Ok(None) };
            self.start = self.at;
            return match (byte, self.expected) {
                (b':', Expected::Colon) => {
                    self.at += 1;
                    self.expected = Expected::Value;
                    continue;
                }
                (b'"', Expected::Value | Expected::FirstValue) => self.string(Token::String, data),
                (b'"', Expected::Key | Expected::FirstKey) => self.string(Token::Key, data),
                (b',', Expected::Comma) => {
                    self.at += 1;
                    self.expected = match self.open.last() {
                        Some(Container::Object) => Expected::Key,
                        _ => Expected::Value,
                    };
                    Ok(Some(Token::Comma))
                }
                (b'}' | b']', Expected::Comma | Expected::FirstKey | Expected::FirstValue) => self.close(byte),
                (b'\n', _) => self.newline(),
                (_, Expected::Value | Expected::FirstValue) => self.value(byte, data),
                (_, Expected::End) => Err(Error::Trailing),
                _ => Err(Error::Syntax),
            };
        }
    }

    /// Ends the text: a number may still be waiting for its end, which is given. A text without a value is refused,
    /// but in lines.
    pub fn finish(&mut self) -> Result<Option<Token>, Error> {
        let last = match self.unfinished.take() {
            None => None,
            Some(Unfinished::Number(number)) if self.open.is_empty() && number.is_whole() => {
                Some(self.finished(Token::Number))
            }
            Some(_) => return Err(Error::Unfinished),
        };
        let empty_line = self.framing == Framing::Lines && self.open.is_empty() && self.expected == Expected::Value;
        if self.expected == Expected::End || empty_line { Ok(last) } else { Err(Error::Unfinished) }
    }

    /// The byte after white space, which is left unread. Ends of lines are not white space where they frame values.
    #[inline]
    fn skip_whitespace(&mut self, data: &[u8]) -> Result<Option<u8>, Error> {
        loop {
            match data.get(self.at) {
                Some(b' ' | b'\t') => (),
                Some(b'\n' | b'\r') if self.framing == Framing::One => (),
                Some(b'\n' | b'\r') if !self.open.is_empty() => return Err(Error::Syntax),
                Some(b'\r') => (),
                Some(&byte) => return Ok(Some(byte)),
                None => return Ok(None),
            }
            self.at += 1;
        }
    }

    fn newline(&mut self) -> Result<Option<Token>, Error> {
        self.at += 1;
        self.expected = Expected::Value;
        Ok(Some(Token::Newline))
    }

    fn value(&mut self, byte: u8, data: &[u8]) -> Result<Option<Token>, Error> {
        match byte {
            b'{' => self.open(Container::Object, Expected::FirstKey, Token::BeginObject),
            b'[' => self.open(Container::Array, Expected::FirstValue, Token::BeginArray),
            b't' => self.begin(Unfinished::Literal(Token::True, 1), data),
            b'f' => self.begin(Unfinished::Literal(Token::False, 1), data),
            b'n' => self.begin(Unfinished::Literal(Token::Null, 1), data),
            _ => self.begin(Unfinished::Number(Number::begin(byte).ok_or(Error::Syntax)?), data),
        }
    }

    fn open(&mut self, container: Container, expected: Expected, token: Token) -> Result<Option<Token>, Error> {
        if self.open.len() >= self.limits.max_depth {
            return Err(Error::TooDeep);
        }
        self.open.push(container);
        self.at += 1;
        self.expected = expected;
        Ok(Some(token))
    }

    fn close(&mut self, byte: u8) -> Result<Option<Token>, Error> {
        let token = match (self.open.pop(), byte) {
            (Some(Container::Object), b'}') => Token::EndObject,
            (Some(Container::Array), b']') => Token::EndArray,
            _ => return Err(Error::Syntax),
        };
        self.at += 1;
        self.value_ended();
        Ok(Some(token))
    }

    /// A key or a string begins.
    #[inline]
    fn string(&mut self, token: Token, data: &[u8]) -> Result<Option<Token>, Error> {
        self.escaped = false;
        let begin = self.at + 1;
        let end = end_of_plain(data, begin);
        // Most are plain and whole.
        let is_key = token == Token::Key;
        if data.get(end) != Some(&b'"') || is_key && end - begin > self.limits.max_key {
            return self.text_goes_on(token, Text::Plain, begin, data);
        }
        self.at = end + 1;
        if is_key {
            self.expected = Expected::Colon;
        } else {
            self.value_ended();
        }
        Ok(Some(token))
    }

    #[inline(never)]
    fn text_goes_on(&mut self, token: Token, text: Text, at: usize, data: &[u8]) -> Result<Option<Token>, Error> {
        // A key is not read past its limit, so that what stands behind that matters nowhere.
        let most = if token == Token::Key { self.limits.max_key.saturating_add(self.start + 2) } else { usize::MAX };
        let data = data.get(..most).unwrap_or(data);
        let progress = text.read(data, at, &mut self.escaped)?;
        self.at = match progress {
            Progress::Closed(end) => end,
            Progress::Open(_) => data.len(),
        };
        // Of an unfinished key there is no closing quote yet.
        let quotes = if matches!(progress, Progress::Closed(_)) { 2 } else { 1 };
        if token == Token::Key && self.at.saturating_sub(self.start) > self.limits.max_key + quotes {
            return Err(Error::LongKey);
        }
        self.unfinished = match (progress, token) {
            (Progress::Closed(_), Token::Key) => {
                self.expected = Expected::Colon;
                None
            }
            (Progress::Closed(_), _) => {
                self.value_ended();
                None
            }
            (Progress::Open(text), _) => Some(Unfinished::Text(token, text)),
        };
        Ok(self.unfinished.is_none().then_some(token))
    }

    fn begin(&mut self, token: Unfinished, data: &[u8]) -> Result<Option<Token>, Error> {
        self.at += 1;
        self.unfinished = Some(token);
        self.go_on(data)
    }

    /// Reads on in a token. It stays unfinished when `data` ends.
    fn go_on(&mut self, data: &[u8]) -> Result<Option<Token>, Error> {
        match self.unfinished {
            None => Ok(None),
            Some(Unfinished::Text(token, text)) => self.text_goes_on(token, text, self.at, data),
            Some(Unfinished::Number(number)) => self.number(number, data),
            Some(Unfinished::Literal(token, read)) => self.literal(token, read, data),
        }
    }

    fn number(&mut self, mut number: Number, data: &[u8]) -> Result<Option<Token>, Error> {
        let mut ended = false;
        for &byte in data.get(self.at..).unwrap_or_default() {
            let Some(next) = number.next(byte) else {
                ended = true;
                break;
            };
            number = next;
            self.at += 1;
        }
        if self.at.saturating_sub(self.start) > self.limits.max_number {
            return Err(Error::LongNumber);
        }
        if !ended {
            self.unfinished = Some(Unfinished::Number(number));
            return Ok(None);
        }
        if number.is_whole() { Ok(Some(self.finished(Token::Number))) } else { Err(Error::Syntax) }
    }

    fn literal(&mut self, token: Token, mut read: usize, data: &[u8]) -> Result<Option<Token>, Error> {
        let name: &[u8] = match token {
            Token::True => b"true",
            Token::False => b"false",
            _ => b"null",
        };
        while let Some(expected) = name.get(read) {
            match data.get(self.at) {
                Some(byte) if byte == expected => (),
                Some(_) => return Err(Error::Syntax),
                None => {
                    self.unfinished = Some(Unfinished::Literal(token, read));
                    return Ok(None);
                }
            }
            self.at += 1;
            read += 1;
        }
        Ok(Some(self.finished(token)))
    }

    fn finished(&mut self, token: Token) -> Token {
        self.unfinished = None;
        self.value_ended();
        token
    }

    #[inline]
    pub(super) fn value_ended(&mut self) {
        self.expected = if self.open.is_empty() { Expected::End } else { Expected::Comma };
    }
}

#[cfg(test)]
mod tests;
