//! Passing through what nobody asks about.
//!
//! The grammar is checked as everywhere; only the tokens are not shown. Most of a text is keys and strings without
//! escapes between brackets, commas and colons: those are passed in a loop of their own, and whatever else comes, or may
//! be cut by the end of the data, is left to [`Lexer::next`].

use super::lexer::{Container, Expected};
use super::scan::end_of_plain;
use super::{Error, Framing, Lexer, Token, unescape};

/// Where passing through ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Behind the end of the container.
    Ended,
    /// Behind the key that was looked for.
    Met,
    /// Where `data` ends.
    More,
}

impl Lexer {
    /// Reads to the end of the container whose members are at `depth`, or behind the key `sought`, unescaped; no key is
    /// empty.
    pub fn skip(&mut self, data: &[u8], depth: usize, sought: &[u8]) -> Result<Skipped, Error> {
        loop {
            self.skip_plain(data, depth, sought);
            match self.next(data)? {
                None => return Ok(Skipped::More),
                Some(Token::Key) if self.is_key(sought, data) => return Ok(Skipped::Met),
                Some(Token::EndObject | Token::EndArray) if self.depth() < depth => return Ok(Skipped::Ended),
                Some(_) => (),
            }
        }
    }

    fn is_key(&self, sought: &[u8], data: &[u8]) -> bool {
        let raw = self.text(Token::Key, data);
        if self.escaped { !sought.is_empty() && *unescape(raw) == *sought } else { !raw.is_empty() && raw == sought }
    }

    /// Passes whole keys and strings without escapes, and what stands between them.
    fn skip_plain(&mut self, data: &[u8], depth: usize, sought: &[u8]) {
        if self.unfinished.is_some() {
            return;
        }
        while let Some(&byte) = data.get(self.at) {
            let passed = match byte {
                b'"' => self.skip_text(data, sought),
                b' ' | b'\n' => self.framing == Framing::One,
                _ => self.skip_mark(byte, depth),
            };
            if !passed {
                return;
            }
            self.at += 1;
        }
    }

    /// Whether a key or a string was passed up to its closing quote.
    #[inline]
    fn skip_text(&mut self, data: &[u8], sought: &[u8]) -> bool {
        let after = match self.expected {
            Expected::Key | Expected::FirstKey => Expected::Colon,
            Expected::Value | Expected::FirstValue => Expected::Comma,
            Expected::Colon | Expected::Comma | Expected::End => return false,
        };
        let end = end_of_plain(data, self.at + 1);
        let text = data.get(self.at + 1..end).unwrap_or_default();
        let is_shown = after == Expected::Colon && (text.len() > self.limits.max_key || text == sought);
        if is_shown || data.get(end) != Some(&b'"') {
            return false;
        }
        (self.at, self.expected) = (end, after);
        true
    }

    /// Whether the byte is a bracket, a comma or a colon where one may stand, and no end of what is passed through.
    #[inline]
    fn skip_mark(&mut self, byte: u8, depth: usize) -> bool {
        let innermost = self.open.last().copied();
        self.expected = match (byte, self.expected, innermost) {
            (b':', Expected::Colon, _) => Expected::Value,
            (b',', Expected::Comma, Some(Container::Object)) => Expected::Key,
            (b',', Expected::Comma, Some(Container::Array)) => Expected::Value,
            (b'{', Expected::Value | Expected::FirstValue, _) if self.depth() < self.limits.max_depth => {
                self.open.push(Container::Object);
                Expected::FirstKey
            }
            (b'[', Expected::Value | Expected::FirstValue, _) if self.depth() < self.limits.max_depth => {
                self.open.push(Container::Array);
                Expected::FirstValue
            }
            (b'}', Expected::Comma | Expected::FirstKey, Some(Container::Object))
            | (b']', Expected::Comma | Expected::FirstValue, Some(Container::Array))
                if self.depth() > depth =>
            {
                self.open.pop();
                Expected::Comma
            }
            _ => return false,
        };
        true
    }
}
