//! Cases out of bytes: single decisions first, the text last, so that the fuzzer can change either without the other.

use std::fmt;

/// Bytes that decide what a case is.
#[derive(Clone, Copy)]
pub struct Input<'d>(&'d [u8]);

impl<'d> Input<'d> {
    /// All of the fuzzer's bytes.
    pub fn new(data: &'d [u8]) -> Self {
        Self(data)
    }

    /// One decision.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(usize::from(self.byte()?) % all.len()).copied()
    }

    /// How a text is cut.
    pub fn cuts(&mut self) -> Option<Cuts> {
        let (lengths, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(Cuts(*lengths))
    }

    /// All that is left.
    pub fn rest(self) -> Text {
        Text(self.0.to_vec())
    }
}

/// The lengths of pieces, over and over.
#[derive(Clone, Copy, Debug)]
pub struct Cuts([u8; 6]);

impl Cuts {
    /// The text in pieces; an empty one among them, perhaps.
    pub fn cut<'t>(&self, mut text: &'t [u8]) -> Vec<&'t [u8]> {
        let mut pieces = Vec::new();
        for length in self.0.iter().cycle() {
            if text.is_empty() || self.0 == [0; 6] {
                break;
            }
            let (piece, rest) = text.split_at(usize::from(*length).min(text.len()));
            pieces.push(piece);
            text = rest;
        }
        pieces.push(text);
        pieces
    }
}

/// Bytes that print as the string of a regression file: what is no UTF-8 as `\xff`.
pub struct Text(pub Vec<u8>);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) => f.write_str(&serde_json::Value::from(text).to_string()),
            Err(_) => write!(f, "bytes {}", serde_json::Value::from(self.0.escape_ascii().to_string())),
        }
    }
}
