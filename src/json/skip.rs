//! Passing through what nobody asks about.
//!
//! The grammar is checked as everywhere; only the tokens are not shown. What a [`Stride`] can prove to be in order is
//! passed in blocks, some hundred instructions for sixty-three bytes, and whatever it leaves, because it is wrong, long,
//! sought or cut by the end of the data, is read by [`Lexer::next`]. So what is refused, and why, is what [`Lexer::next`]
//! would refuse, wherever the pieces were cut; only keys that stand twice are nobody's business here.

use super::block::BLOCK;
use super::lexer::{Container, Expected, Unfinished};
use super::stride::{MAX_OPEN, Next, Pass, Rules, Stride};
use super::string::Text;
use super::{Error, Framing, Lexer, Token, unescape};

/// Where passing through ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Behind the end of the container.
    Ended,
    /// Behind a key that was looked for: the last token, so that [`Lexer::text`] tells which.
    Met,
    /// Where `data` ends.
    More,
}

impl Lexer {
    /// Reads to the end of the container whose members are at `depth`, or behind the first key that is one of `sought`,
    /// unescaped. Of a string that goes on behind `data`, only what is left of it is known afterwards.
    pub fn skip(&mut self, data: &[u8], depth: usize, sought: &[&[u8]]) -> Result<Skipped, Error> {
        loop {
            if self.skip_blocks(data, depth, sought) {
                return Ok(Skipped::Ended);
            }
            // What follows is read token by token until it is worth trying again.
            let enough = self.at.saturating_add(BLOCK);
            while self.at < enough {
                match self.next(data)? {
                    None => return Ok(Skipped::More),
                    Some(Token::Key) if self.is_key(sought, data) => return Ok(Skipped::Met),
                    Some(Token::EndObject | Token::EndArray) if self.depth() < depth => return Ok(Skipped::Ended),
                    Some(_) => (),
                }
            }
        }
    }

    fn is_key(&self, sought: &[&[u8]], data: &[u8]) -> bool {
        let raw = self.text(Token::Key, data);
        if self.escaped() {
            let key = unescape(raw);
            sought.contains(&&*key)
        } else {
            sought.contains(&raw)
        }
    }

    /// Passes blocks as long as there is nothing to stop at. Answers whether the container ended.
    fn skip_blocks(&mut self, data: &[u8], depth: usize, sought: &[&[u8]]) -> bool {
        let around = depth.saturating_sub(1);
        let max_open = self.limits.max_depth.saturating_sub(around).min(MAX_OPEN as usize) as u32;
        let no_lines = if self.framing == Framing::Lines { u64::MAX } else { 0 };
        let rules = Rules { no_lines, max_number: self.limits.max_number, max_open, sought };
        // A key in a block is within its limit.
        if depth == 0 || self.limits.max_key < BLOCK {
            return false;
        }
        let Some(mut stride) = self.stride(around) else { return false };
        let begin = self.at;
        while let Some(block) = data.get(self.at..).and_then(<[u8]>::first_chunk) {
            match stride.pass(block, &rules) {
                Pass::Passed(bytes) => self.at += bytes,
                Pass::Inside(bytes) => {
                    // The lexer needs less for each byte of a string, and this one is long.
                    self.at += bytes;
                    break;
                }
                Pass::Ended(bytes) => {
                    self.at += bytes;
                    self.start = self.at - 1;
                    self.unfinished = None;
                    self.open.truncate(around);
                    self.value_ended();
                    return true;
                }
                Pass::Stopped => break,
            }
        }
        if self.at > begin {
            self.take_over(&stride, around);
        }
        false
    }

    /// Where a stride begins, if one can here: `around` containers are not its business.
    fn stride(&self, around: usize) -> Option<Stride> {
        if self.unfinished.is_some() {
            return None;
        }
        let next = match self.expected {
            Expected::FirstValue => Next { begin: 1, ..Next::default() },
            Expected::Value => Next { begin: 1, no_end: 1, ..Next::default() },
            Expected::FirstKey => Next { begin: 1, key: 1, ..Next::default() },
            Expected::Key => Next { begin: 1, no_end: 1, key: 1, ..Next::default() },
            Expected::Colon => Next { colon: 1, ..Next::default() },
            Expected::Comma => Next::default(),
            Expected::End => return None,
        };
        let inner = self.open.get(around..).filter(|inner| (1..MAX_OPEN as usize).contains(&inner.len()))?;
        let open = inner.iter().fold(1, |open, container| open << 1 | u64::from(*container == Container::Object));
        Some(Stride { inside: 0, next, open })
    }

    /// Goes on where a stride stopped.
    fn take_over(&mut self, stride: &Stride, around: usize) {
        let Stride { inside, next, open } = *stride;
        let depth = MAX_OPEN - open.leading_zeros();
        self.open.truncate(around);
        self.open.extend((0..depth).rev().map(|level| match open >> level & 1 {
            0 => Container::Array,
            _ => Container::Object,
        }));
        if inside == 1 {
            (self.start, self.escaped) = (self.at, false);
            self.unfinished = Some(Unfinished::Text(Token::String, Text::Plain));
            return;
        }
        self.unfinished = None;
        self.expected = match next {
            Next { colon: 1, .. } => Expected::Colon,
            Next { begin: 0, .. } => Expected::Comma,
            Next { key: 0, no_end: 0, .. } => Expected::FirstValue,
            Next { key: 0, .. } => Expected::Value,
            Next { no_end: 0, .. } => Expected::FirstKey,
            Next { .. } => Expected::Key,
        };
    }
}

#[cfg(test)]
mod tests;
