//! Bodies of type `multipart/form-data` (RFC 7578, in the form of RFC 2046 section 5.1), read strictly.
//!
//! Servers read them in many ways, so a body is taken only where all of them read the same:
//!
//! - The boundary has letters, digits and `+_-.`, at most 70; no other parameter stands beside it. It may have been quoted;
//!   what is sent on says it plainly ([`Boundary::content_type`]).
//! - The body begins with the first delimiter and ends with the last: nothing stands before or behind. Lines end with CRLF.
//!   The dashes and the boundary stand nowhere else, not even within a line or a header.
//! - A part has the headers of `head`, in at most [`MAX_HEAD`] bytes, and an empty line behind them.
//!
//! What is read takes two steps for each byte at most, whatever it is.

mod head;

use std::fmt;

use super::{JsonLayout, MediaType};
use head::Head;

/// The longest boundary (RFC 2046 section 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// The longest headers of one part, in bytes.
pub const MAX_HEAD: usize = 1024;

const LINE_END: &[u8] = b"\r\n";

/// What separates the parts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Boundary {
    bytes: [u8; MAX_BOUNDARY],
    length: usize,
}

/// How many parts there may be, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most parts.
    pub max_parts: usize,
    /// The longest content of one, in bytes.
    pub max_part: usize,
}

/// One part. It has no `Debug`: it holds what was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Part<'b> {
    /// The name of the field.
    pub name: &'b str,
    /// The name of the file that it is, if it is one.
    pub file_name: Option<&'b str>,
    /// The media type, without parameters and in any case; `text/plain` where it has none (RFC 7578 section 4.4).
    pub media_type: &'b str,
    /// How to read it as JSON, if it is that.
    pub json: Option<JsonLayout>,
    /// Its content.
    pub content: &'b [u8],
}

/// A body that is refused: why, and at which part, from 1. Nothing of the body is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The part that was read last.
    pub part: usize,
    /// What is wrong.
    pub fault: Fault,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What is wrong with a body in parts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            /// A word for it, for replies and records.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

faults! {
    /// The content type has no boundary, a malformed one, or another parameter.
    Boundary = "boundary",
    /// The body does not begin with the first delimiter.
    Preamble = "preamble",
    /// Something stands behind the last delimiter.
    Epilogue = "epilogue",
    /// A delimiter stands where none may, or not alone on its line.
    Delimiter = "delimiter",
    /// The body ends before the last delimiter.
    Unfinished = "unfinished",
    /// A header is malformed: folded, with a control character, or not `name: value`.
    Header = "header",
    /// The headers of a part are too long, or do not end.
    LongHeader = "max_header",
    /// A header stands twice.
    RepeatedHeader = "repeated-header",
    /// A header that has no meaning in a form (RFC 7578 section 4.8), such as `Content-Transfer-Encoding`.
    OtherHeader = "other-header",
    /// `Content-Disposition` is not `form-data` with a name and perhaps the name of a file.
    Disposition = "content-disposition",
    /// A field's name that could be read in two ways.
    Name = "name",
    /// A file's name that is a path, or could be read in two ways.
    FileName = "filename",
    /// `Content-Type` is malformed, has another charset than UTF-8, or says that the part has parts itself.
    ContentType = "content-type",
    /// More parts than allowed.
    TooManyParts = "max_parts",
    /// A part longer than allowed.
    LongPart = "max_part",
}

impl Boundary {
    /// The boundary that a content type names.
    pub fn of(content_type: &MediaType) -> Result<Self, Fault> {
        let text = content_type.only_parameter("boundary").ok_or(Fault::Boundary)?.as_bytes();
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"+_-.".contains(byte);
        let mut bytes = [0; MAX_BOUNDARY];
        let own = bytes.get_mut(..text.len()).ok_or(Fault::Boundary)?;
        // Dashes alone could not be told from those around them.
        if !text.iter().all(fits) || !text.iter().any(u8::is_ascii_alphanumeric) {
            return Err(Fault::Boundary);
        }
        own.copy_from_slice(text);
        Ok(Self { bytes, length: text.len() })
    }

    /// The content type that names it in the one way that every reader reads the same.
    #[must_use]
    pub fn content_type(&self) -> Vec<u8> {
        [b"multipart/form-data; boundary=", self.text()].concat()
    }

    fn text(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Debug for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Boundary")
    }
}

/// The parts of a whole body.
pub fn read<'b>(body: &'b [u8], boundary: &Boundary, limits: &Limits) -> Result<Vec<Part<'b>>, Malformed> {
    Reader::new(body, boundary).read(limits)
}

/// Reads a body once, from its beginning to its end.
struct Reader<'b> {
    body: &'b [u8],
    delimiter: Delimiter,
    /// Comparisons of bytes so far.
    steps: u64,
}

impl<'b> Reader<'b> {
    fn new(body: &'b [u8], boundary: &Boundary) -> Self {
        Self { body, delimiter: Delimiter::new(boundary), steps: 0 }
    }

    fn read(&mut self, limits: &Limits) -> Result<Vec<Part<'b>>, Malformed> {
        let mut parts = Vec::new();
        let mut at = 0;
        let fault = |part: usize, fault: Fault| Malformed { part, fault };
        // The first delimiter has no line before it.
        match self.find(at) {
            Some(0) => at = self.delimiter.bytes.len(),
            _ => return Err(fault(1, Fault::Preamble)),
        }
        loop {
            let number = parts.len() + 1;
            match self.body.get(at..).unwrap_or_default() {
                [b'\r', b'\n', ..] => at += LINE_END.len(),
                b"--" | b"--\r\n" if !parts.is_empty() => return Ok(parts),
                [b'-', b'-', ..] if !parts.is_empty() => return Err(fault(number, Fault::Epilogue)),
                [] | [b'\r'] | [b'-'] => return Err(fault(number, Fault::Unfinished)),
                _ => return Err(fault(number, Fault::Delimiter)),
            }
            if parts.len() >= limits.max_parts {
                return Err(fault(number, Fault::TooManyParts));
            }
            let (part, next) = self.part(at).map_err(|found| fault(number, found))?;
            if part.content.len() > limits.max_part {
                return Err(fault(number, Fault::LongPart));
            }
            parts.push(part);
            at = next;
        }
    }

    /// The part that begins here, and where the delimiter behind it ends.
    fn part(&mut self, at: usize) -> Result<(Part<'b>, usize), Fault> {
        let rest = self.body.get(at..).unwrap_or_default();
        let window = rest.get(..MAX_HEAD + 4).unwrap_or(rest);
        let head_length = window.windows(4).position(|four| four == b"\r\n\r\n").ok_or(Fault::LongHeader)?;
        let Head { name, file_name, media_type, json } = head::read(window.get(..head_length).unwrap_or_default())?;
        let begin = at + head_length + 4;
        // From the headers on: whoever looks for delimiters first would find one in them.
        let found = self.find(at).ok_or(Fault::Unfinished)?;
        let end = found.checked_sub(LINE_END.len()).filter(|end| *end >= begin).ok_or(Fault::Delimiter)?;
        if self.body.get(end..found) != Some(LINE_END) {
            return Err(Fault::Delimiter);
        }
        let content = self.body.get(begin..end).unwrap_or_default();
        Ok((Part { name, file_name, media_type, json, content }, found + self.delimiter.bytes.len()))
    }

    /// Where the dashes and the boundary stand next.
    fn find(&mut self, from: usize) -> Option<usize> {
        let rest = self.body.get(from..).unwrap_or_default();
        self.delimiter.find(rest, &mut self.steps).map(|at| from + at)
    }
}

/// The dashes and the boundary, to be found in time linear in the text (Knuth, Morris and Pratt).
struct Delimiter {
    bytes: Vec<u8>,
    /// For each length of a beginning that was found: the longest shorter one that it ends with.
    shorter: Vec<usize>,
}

impl Delimiter {
    fn new(boundary: &Boundary) -> Self {
        let bytes = [b"--", boundary.text()].concat();
        let mut delimiter = Self { bytes, shorter: vec![0, 0] };
        let mut length = 0;
        for at in 1..delimiter.bytes.len() {
            let byte = delimiter.bytes.get(at).copied().unwrap_or_default();
            length = delimiter.longer(length, byte, &mut 0);
            delimiter.shorter.push(length);
        }
        delimiter
    }

    fn find(&self, text: &[u8], steps: &mut u64) -> Option<usize> {
        let mut length = 0;
        for (at, byte) in text.iter().enumerate() {
            length = self.longer(length, *byte, steps);
            if length == self.bytes.len() {
                return Some(at + 1 - length);
            }
        }
        None
    }

    /// How much of the delimiter a text ends with, one byte on.
    fn longer(&self, mut length: usize, byte: u8, steps: &mut u64) -> usize {
        loop {
            *steps += 1;
            if self.bytes.get(length) == Some(&byte) {
                return length + 1;
            }
            if length == 0 {
                return 0;
            }
            length = self.shorter.get(length).copied().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests;
