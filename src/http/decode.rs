//! Content codings (RFC 9110 section 8.4.1): `gzip`, `x-gzip` and `deflate`, taken off piece by piece.
//!
//! A body is decoded through a window of 32 KiB and never held: each piece of what comes out goes straight to a sink. It
//! is refused unless it is decoded to its last byte: a stream that is cut short, a checksum or length that is wrong,
//! bytes after the end. Several gzip members after one another are one body (RFC 1952 section 2.2), each of them checked.
//! Under the name of `deflate` servers send the zlib format, as they should, and bare DEFLATE; the first two bytes tell.
//!
//! What comes out is bounded by what went in ([`Limits::ratio`], counted as if a KiB had gone in at least, so that a small
//! body may be a very regular one) and in all ([`Limits::size`]), and checked before it is handed on. So one piece in
//! becomes at most [`AT_ONCE`] bytes out, whatever the limits say.

mod gzip;

use flate2::{Decompress, FlushDecompress, Status};

use super::Headers;
use gzip::Gzip;

/// The most that one piece may become, since all of it has to leave before the next is read.
pub const AT_ONCE: u64 = 64 << 20;

/// What DEFLATE can make of a byte at most (<https://zlib.net/zlib_tech.html>): no greater ratio limits anything.
pub const MAX_RATIO: u64 = 1032;

/// What has to have gone in before a ratio says something.
const FLOOR: u64 = 1 << 10;

/// How much is decoded between two looks at the limits.
const STEP: usize = 16 << 10;

/// What a decoder keeps between pieces: its window and its tables.
const STATE: usize = 48 << 10;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or RFC 1951 bare.
    Deflate,
}

/// Why a body cannot be decoded. It holds nothing of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A coding that is not known, several of them, or a header that stands twice.
    #[error("an unknown coding, or several")]
    Coding,
    /// The body is not what its coding says, or was cut.
    #[error("damaged")]
    Damaged,
    /// More would come out than allowed.
    #[error("too large when decoded")]
    Limit,
}

/// How much may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes out for each byte in.
    pub ratio: u64,
    /// Bytes out in all.
    pub size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { ratio: 100, size: 64 << 20 }
    }
}

impl Coding {
    /// The coding that a head announces; `None` when there is none.
    pub fn of(head: &Headers) -> Result<Option<Self>, DecodeError> {
        let named = head.single("content-encoding").map_err(|_| DecodeError::Coding)?.unwrap_or_default();
        match named.to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Ok(None),
            b"gzip" | b"x-gzip" => Ok(Some(Self::Gzip)),
            b"deflate" => Ok(Some(Self::Deflate)),
            _ => Err(DecodeError::Coding),
        }
    }
}

/// Decodes one body. After an error it has to be given up.
pub struct Decoder {
    framing: Framing,
    phase: Phase,
    inflate: Decompress,
    meter: Meter,
}

/// What stands around DEFLATE streams.
enum Framing {
    Gzip(Gzip),
    /// `deflate`, and its first byte until the second says what it is.
    Deflate(Option<u8>),
}

/// Where in a stream the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    Inside,
    After,
}

/// Counts what went in and came out.
struct Meter {
    limits: Limits,
    taken: u64,
    given: u64,
    /// What came of the piece at hand.
    of_piece: u64,
}

impl Decoder {
    /// A decoder at the beginning of a body.
    #[must_use]
    pub fn new(coding: Coding, limits: Limits) -> Self {
        let framing = match coding {
            Coding::Gzip => Framing::Gzip(Gzip::default()),
            Coding::Deflate => Framing::Deflate(None),
        };
        let meter = Meter { limits, taken: 0, given: 0, of_piece: 0 };
        Self { framing, phase: Phase::Before, inflate: Decompress::new(false), meter }
    }

    /// Takes the next piece, and hands what it holds to `sink`, part by part.
    pub fn write<E: From<DecodeError>>(
        &mut self,
        piece: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut room = vec![0; STEP];
        let mut rest = piece;
        self.meter.of_piece = 0;
        loop {
            if self.phase == Phase::Inside {
                if !self.stream(&mut rest, &mut room, &mut sink)? {
                    return Ok(());
                }
                self.phase = Phase::After;
            }
            let Some((byte, after)) = rest.split_first() else { return Ok(()) };
            rest = after;
            match (&mut self.framing, self.phase) {
                (Framing::Gzip(gzip), Phase::Before) => {
                    self.meter.count(1, 0)?;
                    if gzip.head(*byte)? {
                        self.inflate.reset(false);
                        self.phase = Phase::Inside;
                    }
                }
                (Framing::Gzip(gzip), _) => {
                    self.meter.count(1, 0)?;
                    if gzip.tail(*byte)? {
                        self.phase = Phase::Before;
                    }
                }
                (Framing::Deflate(begun @ None), Phase::Before) => *begun = Some(*byte),
                (Framing::Deflate(Some(first)), Phase::Before) => {
                    let begun = [*first, *byte];
                    self.inflate.reset(is_zlib(begun));
                    let ended = self.stream(&mut begun.as_slice(), &mut room, &mut sink)?;
                    self.phase = if ended { Phase::After } else { Phase::Inside };
                }
                (Framing::Deflate(_), _) => return Err(DecodeError::Damaged.into()),
            }
        }
    }

    /// Says that the body has ended. One without a byte is none, which is fine.
    pub fn finish(&self) -> Result<(), DecodeError> {
        let is_whole = match (&self.framing, self.phase) {
            (Framing::Gzip(gzip), Phase::Before) => gzip.is_between(),
            (Framing::Deflate(begun), Phase::Before) => begun.is_none(),
            (Framing::Deflate(_), Phase::After) => true,
            (Framing::Gzip(_), Phase::After) | (_, Phase::Inside) => false,
        };
        if is_whole { Ok(()) } else { Err(DecodeError::Damaged) }
    }

    /// How much memory it keeps between pieces.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        STATE
    }

    /// Decodes of a DEFLATE stream what there is. Answers whether the stream has ended.
    fn stream<E: From<DecodeError>>(
        &mut self,
        rest: &mut &[u8],
        room: &mut [u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        loop {
            let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(rest, room, FlushDecompress::None).map_err(|_| DecodeError::Damaged)?;
            let taken = self.inflate.total_in().saturating_sub(taken);
            let given = self.inflate.total_out().saturating_sub(given);
            let is_stuck = taken == 0 && given == 0;
            self.meter.count(taken, given)?;
            let index = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
            *rest = rest.get(index(taken)..).unwrap_or_default();
            let out = room.get(..index(given)).unwrap_or_default();
            if let Framing::Gzip(gzip) = &mut self.framing {
                gzip.content(out);
            }
            if !out.is_empty() {
                sink(out)?;
            }
            match status {
                Status::StreamEnd => return Ok(true),
                Status::Ok | Status::BufError if !is_stuck => (),
                Status::Ok | Status::BufError if rest.is_empty() => return Ok(false),
                Status::Ok | Status::BufError => return Err(DecodeError::Damaged.into()),
            }
        }
    }
}

impl Meter {
    fn count(&mut self, taken: u64, given: u64) -> Result<(), DecodeError> {
        self.taken = self.taken.saturating_add(taken);
        self.given = self.given.saturating_add(given);
        self.of_piece = self.of_piece.saturating_add(given);
        let allowed = self.limits.ratio.saturating_mul(self.taken.max(FLOOR)).min(self.limits.size);
        if self.given > allowed || self.of_piece > AT_ONCE { Err(DecodeError::Limit) } else { Ok(()) }
    }
}

/// Whether these are the first bytes of the zlib format (RFC 1950 section 2.2). Bare DEFLATE that began so would be a
/// stored block with padding that is not zero, which nobody writes.
fn is_zlib([first, second]: [u8; 2]) -> bool {
    first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, second]) % 31 == 0
}

#[cfg(test)]
mod tests;
