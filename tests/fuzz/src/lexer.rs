//! The lexer: what it reads does not depend on where a text was cut, nor on whether it is read token by token or passed
//! through in blocks, and it takes what `serde_json` takes.
//!
//! It takes less in four ways, which are modelled: limits, half a surrogate pair, bytes that are not UTF-8 where
//! `serde_json` does not look, and, where a body is checked whole, a key that stands twice.

use std::borrow::Cow;

use carewarden::json::{Error, Framing, Lexer, Limits, Skipped, Token, check, unescape};
use serde::de::IgnoredAny;

use crate::Input;
use crate::input::{Cuts, Text};
use crate::once::repeats_key;

/// A text, and how it is read.
#[derive(Debug)]
pub struct Case {
    framing: Framing,
    limits: Limits,
    /// Containers whose members are at this depth are passed through.
    depth: usize,
    sought: &'static [&'static [u8]],
    cuts: Cuts,
    text: Text,
}

const SOUGHT: &[&[u8]] = &[b"resourceType", b"a"];

/// How many bytes decide about a text before it comes.
pub const DECISIONS: usize = 10;

impl crate::Case for Case {
    fn read(mut input: Input<'_>) -> Option<Self> {
        let framing = input.one_of(&[Framing::One, Framing::Lines])?;
        let limits = match input.byte()? % 4 {
            0 => Limits { max_depth: 3, max_key: 5, max_number: 7, ..Limits::default() },
            1 => Limits { max_key: 64, max_number: 64, ..Limits::default() },
            _ => Limits { max_key: 1 << 20, max_number: 1 << 20, ..Limits::default() },
        };
        let depth = input.one_of(&[1, 2, 3])?;
        let sought = input.one_of(&[&[], &SOUGHT[..1], SOUGHT])?;
        Some(Self { framing, limits, depth, sought, cuts: input.cuts()?, text: input.rest() })
    }

    fn run(&self) {
        let (text, pieces) = (&*self.text.0, self.cuts.cut(&self.text.0));
        let whole = self.read_through(&[text], false, next_through);
        assert_eq!(self.read_through(&pieces, false, next_through), whole, "in pieces");
        assert_eq!(self.read_through(&pieces, true, next_through), whole, "in a text that grows");
        assert_eq!(self.read_through(&[text], false, Lexer::skip), whole, "passed through");
        assert_eq!(self.read_through(&pieces, false, Lexer::skip), whole, "passed through in pieces");
        self.compare_strings();
        match self.framing {
            Framing::One => {
                self.compare(whole.1, self.expected(text));
                self.compare_check();
            }
            Framing::Lines => {
                let refused = text.split(|byte| *byte == b'\n').map(trim).find_map(|line| match self.expected(line) {
                    _ if line.is_empty() => None,
                    // A reader of lines may take it for the end of one.
                    Ok(()) if line.contains(&b'\r') => Some(Error::Syntax),
                    verdict => verdict.err(),
                });
                self.compare(whole.1, refused.map_or(Ok(()), Err));
            }
        }
    }
}

/// A line without the white space around its value.
fn trim(line: &[u8]) -> &[u8] {
    let is_value = |byte: &u8| !b" \t\r".contains(byte);
    let begin = line.iter().position(is_value).unwrap_or(line.len());
    let end = line.iter().rposition(is_value).map_or(begin, |last| last + 1);
    &line[begin..end]
}

type Through = fn(&mut Lexer, &[u8], usize, &[&[u8]]) -> Result<Skipped, Error>;

/// What [`Lexer::skip`] does, token by token.
fn next_through(lexer: &mut Lexer, data: &[u8], depth: usize, sought: &[&[u8]]) -> Result<Skipped, Error> {
    while let Some(token) = lexer.next(data)? {
        if token == Token::Key && sought.contains(&&*unescape(lexer.text(token, data))) {
            return Ok(Skipped::Met);
        }
        if matches!(token, Token::EndObject | Token::EndArray) && lexer.depth() < depth {
            return Ok(Skipped::Ended);
        }
    }
    Ok(Skipped::More)
}

#[derive(Debug, PartialEq)]
enum Event {
    Read(Token, usize, usize, usize),
    Passed(Skipped, Option<Vec<u8>>, usize, usize),
}

impl Case {
    /// All that can be seen of a text, with places in the whole of it.
    fn read_through(&self, pieces: &[&[u8]], grows: bool, skip: Through) -> (Vec<Event>, Result<(), Error>) {
        let mut events = Vec::new();
        let verdict = self.events(pieces, grows, skip, &mut events);
        (events, verdict)
    }

    fn events(&self, pieces: &[&[u8]], grows: bool, skip: Through, events: &mut Vec<Event>) -> Result<(), Error> {
        let mut lexer = Lexer::new(self.limits, self.framing);
        let (mut data, mut gone, mut met) = (Vec::new(), 0, false);
        for piece in pieces {
            data.extend_from_slice(piece);
            loop {
                let passes = lexer.depth() >= self.depth && !met;
                let event = if passes {
                    let skipped = skip(&mut lexer, &data, self.depth, self.sought)?;
                    met = skipped == Skipped::Met;
                    let key = met.then(|| unescape(lexer.text(Token::Key, &data)).into_owned());
                    (skipped != Skipped::More).then(|| Event::Passed(skipped, key, gone + lexer.at(), lexer.depth()))
                } else {
                    let token = lexer.next(&data)?;
                    met &= token.is_none();
                    token.map(|token| Event::Read(token, gone + lexer.start(), gone + lexer.at(), lexer.depth()))
                };
                let Some(event) = event else { break };
                events.push(event);
            }
            if grows {
                continue;
            }
            let is_passing = lexer.depth() >= self.depth && !met;
            let done = match lexer.unfinished() {
                None => lexer.at(),
                Some(Token::String) if is_passing => lexer.at(),
                Some(_) => lexer.start(),
            };
            data.drain(..done);
            lexer.rebase(done);
            gone += done;
        }
        lexer.finish().map(drop)
    }

    /// What a text has to come to, by `serde_json`; of errors only whether it is one of encoding counts.
    fn expected(&self, text: &[u8]) -> Result<(), Error> {
        let text = std::str::from_utf8(text).map_err(|_| Error::Encoding)?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|_| Error::Syntax)?;
        if has_half_pair(text.as_bytes()) { Err(Error::Encoding) } else { Ok(()) }
    }

    fn compare(&self, own: Result<(), Error>, expected: Result<(), Error>) {
        match own {
            Err(Error::TooDeep | Error::LongKey | Error::LongNumber) => self.is_over_limit(),
            Err(Error::Encoding) => assert!(expected.is_err(), "it was refused as not Unicode"),
            _ => assert_eq!(own.is_ok(), expected.is_ok(), "{own:?}, {expected:?}"),
        }
    }

    /// Some run of bytes is long enough, or deep enough, to be over a limit.
    fn is_over_limit(&self) {
        let (text, limits) = (&self.text.0, &self.limits);
        let deep = text.iter().filter(|byte| b"[{".contains(byte)).count() > limits.max_depth;
        let long = text.len() > limits.max_key.min(limits.max_number);
        assert!(deep || long, "it was refused for a limit");
    }

    /// A whole body is refused, too, for a key that stands twice.
    fn compare_check(&self) {
        let text = &*self.text.0;
        let own = check(text, &self.limits);
        if matches!(own, Err(Error::TooDeep | Error::LongKey | Error::LongNumber)) {
            return self.is_over_limit();
        }
        match (self.expected(text), own) {
            (Err(_), own) => assert!(own.is_err()),
            (Ok(()), own) => {
                let text = std::str::from_utf8(text).expect("UTF-8");
                let Some(repeats) = repeats_key(text) else { return };
                assert_eq!(own, if repeats { Err(Error::RepeatedKey) } else { Ok(()) });
            }
        }
    }

    /// Each string means what it means to `serde_json`.
    fn compare_strings(&self) {
        let (text, mut lexer) = (&*self.text.0, Lexer::new(self.limits, self.framing));
        while let Ok(Some(token)) = lexer.next(text) {
            if matches!(token, Token::Key | Token::String) {
                let raw = lexer.text(token, text);
                let quoted = [b"\"", raw, b"\""].concat();
                let expected: String = serde_json::from_slice(&quoted).expect("it is a string");
                let own = unescape(raw);
                assert_eq!(&*own, expected.as_bytes());
                assert_eq!(matches!(own, Cow::Owned(_)), raw.contains(&b'\\'));
                assert_eq!(lexer.escaped(), raw.contains(&b'\\'));
            }
        }
    }
}

/// Whether a text that is JSON but for that has an escape that is half a surrogate pair.
fn has_half_pair(text: &[u8]) -> bool {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6).filter(|escape| escape.starts_with(b"\\u"))?;
        u32::from_str_radix(std::str::from_utf8(&digits[2..]).ok()?, 16).ok()
    };
    let mut at = 0;
    while at < text.len() {
        at += match (text[at], unit(at)) {
            (b'\\', Some(0xd800..=0xdbff)) => match unit(at + 6) {
                Some(0xdc00..=0xdfff) => 12,
                _ => return true,
            },
            (b'\\', Some(0xdc00..=0xdfff)) => return true,
            (b'\\', _) => 2,
            _ => 1,
        };
    }
    false
}
