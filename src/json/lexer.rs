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

/// A place between tokens to go back to: behind an opening bracket.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// How many containers are around the one that the bracket opens.
    around: usize,
    container: Container,
    at: usize,
}

impl Place {
    /// Says that the next data begins `by` bytes later.
    pub fn rebase(&mut self, by: usize) {
        self.at = self.at.saturating_sub(by);
    }
}

/// The lexer. It owns no bytes; see the module's documentation.
#[derive(Clone, Debug)]
pub struct Lexer {
    limits: Limits,
    framing: Framing,
    open: Vec<Container>,
    expected: Expected,
    unfinished: Option<Unfinished>,
    start: usize,
    at: usize,
    escaped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
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
enum Unfinished {
    Key(Text),
    String(Text),
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
            Unfinished::Key(_) => Token::Key,
            Unfinished::String(_) => Token::String,
            Unfinished::Number(_) => Token::Number,
            Unfinished::Literal(token, _) => token,
        })
    }

    /// Says that the next `data` begins `by` bytes later. What a token began with may be gone.
    pub fn rebase(&mut self, by: usize) {
        self.at = self.at.saturating_sub(by);
        self.start = self.start.saturating_sub(by);
    }

    /// The place behind the opening bracket just read, where [`Lexer::go_back`] returns to.
    #[must_use]
    pub fn place(&self) -> Place {
        let container = self.open.last().copied().unwrap_or(Container::Array);
        Place { around: self.open.len().saturating_sub(1), container, at: self.at }
    }

    /// Goes back to a place behind an opening bracket. What was open around it must still be.
    pub fn go_back(&mut self, place: Place) {
        self.open.truncate(place.around);
        self.open.push(place.container);
        self.expected = match place.container {
            Container::Object => Expected::FirstKey,
            Container::Array => Expected::FirstValue,
        };
        self.unfinished = None;
        (self.start, self.at) = (place.at.saturating_sub(1), place.at);
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
            if self.expected == Expected::Colon && byte == b':' {
                self.at += 1;
                self.expected = Expected::Value;
                continue;
            }
            return match (self.expected, byte) {
                (_, b'\n') if self.framing == Framing::Lines => self.newline(),
                (Expected::Comma, b',') => {
                    self.at += 1;
                    self.expected = match self.open.last() {
                        Some(Container::Object) => Expected::Key,
                        _ => Expected::Value,
                    };
                    Ok(Some(Token::Comma))
                }
                (Expected::Key | Expected::FirstKey, b'"') => self.begin(Unfinished::Key(Text::Plain), data),
                (Expected::Comma | Expected::FirstKey | Expected::FirstValue, b'}' | b']') => self.close(byte),
                (Expected::Value | Expected::FirstValue, _) => self.value(byte, data),
                (Expected::End, _) => Err(Error::Trailing),
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
                Some(self.scalar(Token::Number))
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

    #[inline]
    fn value(&mut self, byte: u8, data: &[u8]) -> Result<Option<Token>, Error> {
        match byte {
            b'"' => self.begin(Unfinished::String(Text::Plain), data),
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
        Ok(Some(self.scalar(token)))
    }

    #[inline]
    fn begin(&mut self, token: Unfinished, data: &[u8]) -> Result<Option<Token>, Error> {
        self.at += 1;
        self.escaped = false;
        self.unfinished = Some(token);
        self.go_on(data)
    }

    /// Reads on in a token. It stays unfinished when `data` ends.
    #[inline]
    fn go_on(&mut self, data: &[u8]) -> Result<Option<Token>, Error> {
        let Some(unfinished) = self.unfinished else { return Ok(None) };
        let (finished, token) = match unfinished {
            Unfinished::Key(text) => match text.read(data, self.at, &mut self.escaped)? {
                Progress::Closed(end) => {
                    self.at = end;
                    self.expected = Expected::Colon;
                    self.unfinished = None;
                    let length = end - self.start;
                    return if length > self.limits.max_key + 2 { Err(Error::LongKey) } else { Ok(Some(Token::Key)) };
                }
                Progress::Open(text) => (None, Unfinished::Key(text)),
            },
            Unfinished::String(text) => match text.read(data, self.at, &mut self.escaped)? {
                Progress::Closed(end) => {
                    self.at = end;
                    (Some(Token::String), unfinished)
                }
                Progress::Open(text) => (None, Unfinished::String(text)),
            },
            Unfinished::Number(number) => self.number(number, data)?,
            Unfinished::Literal(token, read) => self.literal(token, read, data)?,
        };
        if let Some(token) = finished {
            self.unfinished = None;
            return Ok(Some(self.scalar(token)));
        }
        self.at = data.len();
        self.unfinished = Some(token);
        let length = self.at.saturating_sub(self.start);
        match token {
            Unfinished::Key(_) if length > self.limits.max_key + 1 => Err(Error::LongKey),
            _ => Ok(None),
        }
    }

    fn number(&mut self, mut number: Number, data: &[u8]) -> Result<(Option<Token>, Unfinished), Error> {
        let more = data.get(self.at..).unwrap_or_default();
        let mut finished = None;
        for &byte in more {
            let Some(next) = number.next(byte) else {
                finished = Some(Token::Number);
                break;
            };
            number = next;
            self.at += 1;
        }
        if self.at.saturating_sub(self.start) > self.limits.max_number {
            return Err(Error::LongNumber);
        }
        match finished {
            Some(_) if !number.is_whole() => Err(Error::Syntax),
            finished => Ok((finished, Unfinished::Number(number))),
        }
    }

    fn literal(&mut self, token: Token, mut read: usize, data: &[u8]) -> Result<(Option<Token>, Unfinished), Error> {
        let name: &[u8] = match token {
            Token::True => b"true",
            Token::False => b"false",
            _ => b"null",
        };
        while let Some(expected) = name.get(read) {
            match data.get(self.at) {
                Some(byte) if byte == expected => (),
                Some(_) => return Err(Error::Syntax),
                None => return Ok((None, Unfinished::Literal(token, read))),
            }
            self.at += 1;
            read += 1;
        }
        Ok((Some(token), Unfinished::Literal(token, read)))
    }

    /// What is expected after a value.
    #[inline]
    fn scalar(&mut self, token: Token) -> Token {
        self.expected = if self.open.is_empty() { Expected::End } else { Expected::Comma };
        token
    }
}

#[cfg(test)]
mod tests;
