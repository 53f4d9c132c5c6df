//! What stands around DEFLATE in the gzip format (RFC 1952): a header before it, checksum and length after it.
//!
//! Read byte by byte and not kept: names and comments may be of any length. A flag that RFC 1952 reserves is refused, as
//! it says (section 2.3.1.2), and so is a header whose own checksum is wrong.

use flate2::Crc;

use super::DecodeError;

const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const HEADER_CRC: u8 = 1 << 1;
const RESERVED: u8 = 0b1110_0000;

/// How far a member was read.
#[derive(Default)]
pub(super) struct Gzip {
    part: Part,
    flags: u8,
    /// Of the header, if it has a checksum of its own, and then of the content.
    crc: Crc,
    trailer: [u8; 8],
}

/// The part of a member that the next byte belongs to, and how many bytes of it there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The ten bytes that every member begins with.
    Fixed(u8),
    ExtraLength(u8),
    /// How much of it is to come.
    Extra(u16),
    Name,
    Comment,
    HeaderCrc(u8),
    Trailer(u8),
}

impl Default for Part {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

impl Gzip {
    /// Whether no member has begun that has not ended.
    pub(super) fn is_between(&self) -> bool {
        self.part == Part::Fixed(0)
    }

    /// Takes the next byte of a header. Answers whether it was the last.
    pub(super) fn head(&mut self, byte: u8) -> Result<bool, DecodeError> {
        let low = self.crc.sum().to_le_bytes();
        self.crc.update(&[byte]);
        let next = match self.part {
            Part::Fixed(at) => {
                let fits = match at {
                    0 => byte == 0x1f,
                    1 => byte == 0x8b,
                    2 => byte == 8,
                    3 => byte & RESERVED == 0,
                    _ => true,
                };
                if !fits {
                    return Err(DecodeError::Damaged);
                }
                if at == 3 {
                    self.flags = byte;
                }
                if at < 9 { Some(Part::Fixed(at + 1)) } else { self.after(0) }
            }
            Part::ExtraLength(0) => {
                self.trailer = [byte, 0, 0, 0, 0, 0, 0, 0];
                Some(Part::ExtraLength(1))
            }
            Part::ExtraLength(_) => {
                let [first, ..] = self.trailer;
                match u16::from_le_bytes([first, byte]) {
                    0 => self.after(EXTRA),
                    length => Some(Part::Extra(length)),
                }
            }
            Part::Extra(left) if left > 1 => Some(Part::Extra(left - 1)),
            Part::Extra(_) => self.after(EXTRA),
            Part::Name if byte == 0 => self.after(NAME),
            Part::Comment if byte == 0 => self.after(COMMENT),
            Part::Name | Part::Comment => Some(self.part),
            Part::HeaderCrc(0) => {
                let [first, second, ..] = low;
                self.trailer = [first, second, 0, 0, 0, 0, 0, 0];
                if byte != first {
                    return Err(DecodeError::Damaged);
                }
                Some(Part::HeaderCrc(1))
            }
            Part::HeaderCrc(_) => {
                let [_, second, ..] = self.trailer;
                if byte != second {
                    return Err(DecodeError::Damaged);
                }
                None
            }
            Part::Trailer(_) => return Err(DecodeError::Damaged),
        };
        self.part = next.unwrap_or(Part::Trailer(0));
        if next.is_none() {
            self.crc.reset();
        }
        Ok(next.is_none())
    }

    /// Takes note of decoded content.
    pub(super) fn content(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
    }

    /// Takes the next byte after a stream. Answers whether it was the member's last.
    pub(super) fn tail(&mut self, byte: u8) -> Result<bool, DecodeError> {
        let Part::Trailer(at) = self.part else { return Err(DecodeError::Damaged) };
        if let Some(slot) = self.trailer.get_mut(usize::from(at)) {
            *slot = byte;
        }
        if at < 7 {
            self.part = Part::Trailer(at + 1);
            return Ok(false);
        }
        // Checksum and length, the latter modulo 2^32 as `amount` counts it.
        let (sum, length) = (self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes());
        if self.trailer.iter().ne(sum.iter().chain(&length)) {
            return Err(DecodeError::Damaged);
        }
        self.crc.reset();
        self.part = Part::default();
        Ok(true)
    }

    /// The next part of the header that the flags announce, after the one of this flag.
    fn after(&self, flag: u8) -> Option<Part> {
        let parts =
            [(EXTRA, Part::ExtraLength(0)), (NAME, Part::Name), (COMMENT, Part::Comment), (HEADER_CRC, Part::HeaderCrc(0))];
        let done = parts.iter().position(|(own, _)| *own == flag).map_or(0, |index| index + 1);
        parts.into_iter().skip(done).find(|(own, _)| self.flags & own != 0).map(|(_, part)| part)
    }
}
