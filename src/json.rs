//! JSON as RFC 8259 has it, read as bytes: the one JSON reader of everything that passes through.
//!
//! [`Lexer`] reads a text in pieces and gives one [`Token`] at a time, with its place and without its meaning: nothing
//! is unescaped, converted or collected. [`check()`] and [`walk`] read a whole body with it.
//!
//! What is refused, whatever the pieces: anything the grammar does not have; bytes that are not UTF-8 (Unicode 15,
//! table 3-7) and escapes that are half a surrogate pair, so that a string has one meaning for every reader; nesting,
//! keys and numbers past [`Limits`]; and, by [`walk`] and whoever uses [`SeenKeys`], a key that stands twice in one
//! object, compared after unescaping (RFC 8259 section 4 leaves its meaning open, and two readers would differ).

mod ahead;
mod block;
mod check;
mod keys;
mod lexer;
mod number;
mod scan;
mod skip;
mod stride;
mod string;

pub use ahead::Ahead;
pub use check::{Event, Value, check, walk};
pub use keys::SeenKeys;
pub use lexer::{Framing, Lexer, Place, Token};
pub use skip::Skipped;
pub use string::{Characters, unescape};

/// What a text may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The deepest nesting of arrays and objects.
    pub max_depth: usize,
    /// The most keys in one object.
    pub max_keys: usize,
    /// The longest key, in bytes as written, without its quotes.
    pub max_key: usize,
    /// The longest string, in bytes as written, without its quotes. Only [`walk`] and [`check()`] ask for it: the lexer
    /// lets strings stream.
    pub max_string: usize,
    /// The longest number, in bytes as written.
    pub max_number: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_depth: 64, max_keys: 4096, max_key: 1024, max_string: 1 << 20, max_number: 256 }
    }
}

/// Why a text is refused. It holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// Something that the grammar does not have.
    #[error("not JSON")]
    Syntax,
    /// Bytes that are not UTF-8, or an escape that is half a surrogate pair.
    #[error("not Unicode")]
    Encoding,
    /// The text ends before its value does, or holds none.
    #[error("cut short")]
    Unfinished,
    /// Something stands after the value.
    #[error("bytes after the end")]
    Trailing,
    /// A key stands twice in one object.
    #[error("repeated key")]
    RepeatedKey,
    /// Nested deeper than allowed.
    #[error("nested too deep")]
    TooDeep,
    /// An object with more keys than allowed.
    #[error("too many keys")]
    TooManyKeys,
    /// A key longer than allowed.
    #[error("key too long")]
    LongKey,
    /// A string longer than allowed.
    #[error("string too long")]
    LongString,
    /// A number longer than allowed.
    #[error("number too long")]
    LongNumber,
}
