//! Passing through what nobody asks about.
//!
//! The grammar is checked as everywhere; only the tokens are not shown. Most of a text is keys and strings without
//! escapes between commas and colons: those are passed in a loop of their own, and whatever else comes, or may be cut
//! by the end of the data, is left to [`Lexer::next`].

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
            self.skip_plain(data, sought);
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
    fn skip_plain(&mut self, data: &[u8], sought: &[u8]) {
        let after_comma = match self.open.last() {
            _ if self.unfinished.is_some() => return,
            Some(Container::Object) => Expected::Key,
            Some(Container::Array) => Expected::Value,
            None => return,
        };
        let spaces = self.framing == Framing::One;
        while let Some(&byte) = data.get(self.at) {
            let end = match (byte, self.expected) {
                (b' ' | b'\n', _) if spaces => {
                    self.at += 1;
                    continue;
                }
                (b',', Expected::Comma) => {
                    self.at += 1;
                    self.expected = after_comma;
                    continue;
                }
                (b':', Expected::Colon) => {
                    self.at += 1;
                    self.expected = Expected::Value;
                    continue;
                }
                (b'"', Expected::Key | Expected::FirstKey | Expected::Value | Expected::FirstValue) => {
                    end_of_plain(data, self.at + 1)
                }
                _ => return,
            };
            if data.get(end) != Some(&b'"') {
                return;
            }
            let text = data.get(self.at + 1..end).unwrap_or_default();
            self.expected = match self.expected {
                Expected::Value | Expected::FirstValue => Expected::Comma,
                _ if text.len() > self.limits.max_key || text == sought => return,
                _ => Expected::Colon,
            };
            self.at = end + 1;
        }
    }
}
