//! What sixty-four bytes are, one bit for each: the lowest bit is the first byte's.
//!
//! With the vector instructions of WebAssembly, which are safe functions, a byte's class comes out of a table of
//! sixteen; elsewhere out of comparisons, which compilers turn into vector instructions of their own. Both give the same
//! bits; a test holds them to a loop over the bytes.

/// Bytes looked at in one step.
pub(super) const BLOCK: usize = 64;

/// What the bytes of a block would be outside strings.
///
/// `third`, `second` and `first` are the bits of a number for each byte: 7 `{`, 6 `[`, 5 `}`, 4 `]`, 3 `:`, 2 `,`, 1 white
/// space, 0 everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Classes {
    pub(super) third: u64,
    pub(super) second: u64,
    pub(super) first: u64,
    pub(super) quotes: u64,
    /// Control characters and bytes beyond ASCII.
    pub(super) unusual: u64,
    pub(super) has_backslash: bool,
}

/// The bits of the special bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Specials {
    pub(super) backslashes: u64,
    pub(super) controls: u64,
    pub(super) beyond_ascii: u64,
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) use vectors::{classes, specials};

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(super) use words::{classes, specials};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vectors {
    use std::arch::wasm32::{
        i8x16, i8x16_add, i8x16_bitmask, i8x16_eq, i8x16_lt, i8x16_splat, i8x16_swizzle, u8x16_lt, u8x16_splat, u16x8_shl,
        u16x8_shr, u64x2, v128, v128_and, v128_or,
    };

    use super::{BLOCK, Classes, Specials};

    #[inline]
    pub(in super::super) fn classes(block: &[u8; BLOCK]) -> Classes {
        let bytes = vectors(block);
        let codes = bytes.map(codes);
        let [a, b, c, d] = bytes.map(|bytes| i8x16_eq(bytes, i8x16_splat(b'\\'.cast_signed())));
        Classes {
            third: bits(codes),
            // The wider shift is one instruction, and what it brings over to the next byte is never its highest bit.
            second: bits(codes.map(|code| u16x8_shl(code, 1))),
            first: bits(codes.map(|code| u16x8_shl(code, 2))),
            quotes: equal(bytes, b'"'),
            // As signed numbers, both are below the space.
            unusual: bits(bytes.map(|bytes| i8x16_lt(bytes, i8x16_splat(0x20)))),
            has_backslash: i8x16_bitmask(v128_or(v128_or(a, b), v128_or(c, d))) != 0,
        }
    }

    #[inline]
    pub(in super::super) fn specials(block: &[u8; BLOCK]) -> Specials {
        let bytes = vectors(block);
        Specials {
            backslashes: equal(bytes, b'\\'),
            controls: bits(bytes.map(|byte| u8x16_lt(byte, u8x16_splat(0x20)))),
            beyond_ascii: bits(bytes),
        }
    }

    /// The class of each byte, in the three highest bits.
    ///
    /// The lowest four bits of `w + w / 4`, `w` being the byte plus 2, differ for all the bytes that have a class: they
    /// say which of these a byte can be, and which class that has.
    #[inline]
    fn codes(bytes: v128) -> v128 {
        let known = i8x16(1, 1, 0x0d, 1, 0x5b, 1, 0x5d, 1, 1, 0x2c, 0x20, 0x3a, 0x7b, 0x09, 0x7d, 0x0a);
        let (white, comma, colon) = (0x20, 0x40, 0x60);
        let (end_array, end_object) = (0x80_u8.cast_signed(), 0xa0_u8.cast_signed());
        let (begin_array, begin_object) = (0xc0_u8.cast_signed(), 0xe0_u8.cast_signed());
        let class = i8x16(
            0,
            0,
            white,
            0,
            begin_array,
            0,
            end_array,
            0,
            0,
            comma,
            white,
            colon,
            begin_object,
            white,
            end_object,
            white,
        );
        let shifted = i8x16_add(bytes, i8x16_splat(2));
        // What the wider shift brings in from the next byte stays in the two highest bits.
        let slot = v128_and(i8x16_add(shifted, u16x8_shr(shifted, 2)), i8x16_splat(0x0f));
        v128_and(i8x16_swizzle(class, slot), i8x16_eq(i8x16_swizzle(known, slot), bytes))
    }

    #[inline]
    fn equal(bytes: [v128; 4], byte: u8) -> u64 {
        bits(bytes.map(|bytes| i8x16_eq(bytes, i8x16_splat(byte.cast_signed()))))
    }

    #[inline]
    fn vectors(block: &[u8; BLOCK]) -> [v128; 4] {
        let (parts, _) = block.as_chunks::<16>();
        let load = |index: usize| {
            let word = u128::from_le_bytes(parts.get(index).copied().unwrap_or_default());
            u64x2(word as u64, (word >> 64) as u64)
        };
        [load(0), load(1), load(2), load(3)]
    }

    /// The highest bit of each byte.
    #[inline]
    fn bits(bytes: [v128; 4]) -> u64 {
        let [a, b, c, d] = bytes.map(|bytes| u64::from(i8x16_bitmask(bytes)));
        (a | b << 16) | (c | d << 16) << 32
    }
}

/// The same without vector instructions of our own.
#[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
mod words {
    use super::{BLOCK, Classes, Specials};

    #[inline]
    pub(in super::super) fn classes(block: &[u8; BLOCK]) -> Classes {
        let codes = block.map(code);
        Classes {
            third: bits(&codes, 7),
            second: bits(&codes, 6),
            first: bits(&codes, 5),
            quotes: bits(&codes, 4),
            unusual: bits(&codes, 3),
            has_backslash: bits(&codes, 2) != 0,
        }
    }

    #[inline]
    pub(in super::super) fn specials(block: &[u8; BLOCK]) -> Specials {
        Specials {
            backslashes: bits(&block.map(|byte| u8::from(byte == b'\\')), 0),
            controls: bits(&block.map(|byte| u8::from(byte < 0x20)), 0),
            beyond_ascii: bits(block, 7),
        }
    }

    /// The class in the three highest bits, then whether it is a quote, unusual, a backslash.
    #[inline]
    fn code(byte: u8) -> u8 {
        let is = |other: u8| u8::from(byte == other);
        let either = byte | 0x20;
        let (begins, ends) = (u8::from(either == b'{'), u8::from(either == b'}'));
        let is_object = byte >> 5 & 1;
        let (comma, colon) = (is(b','), is(b':'));
        let white = is(b' ') | is(b'\n') | is(b'\r') | is(b'\t');
        let first = ((begins | ends) & is_object) | colon | white;
        let unusual = u8::from(byte < 0x20) | byte >> 7;
        (begins | ends) << 7 | (begins | comma | colon) << 6 | first << 5 | is(b'"') << 4 | unusual << 3 | is(b'\\') << 2
    }

    /// One bit of each byte.
    #[inline]
    fn bits(bytes: &[u8; BLOCK], bit: u32) -> u64 {
        let (words, _) = bytes.as_chunks::<8>();
        words.iter().rev().fold(0, |bits, word| {
            let lowest = u64::from_le_bytes(*word) >> bit & 0x0101_0101_0101_0101;
            // The product brings the eight bits together in the highest byte.
            bits << 8 | lowest.wrapping_mul(0x0102_0408_1020_4080) >> 56
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(byte: u8) -> u64 {
        match byte {
            b'{' => 7,
            b'[' => 6,
            b'}' => 5,
            b']' => 4,
            b':' => 3,
            b',' => 2,
            b' ' | b'\t' | b'\n' | b'\r' => 1,
            _ => 0,
        }
    }

    fn by_the_byte(block: &[u8; BLOCK]) -> (Classes, Specials) {
        let bits = |is: &dyn Fn(u8) -> bool| {
            block.iter().enumerate().fold(0, |bits, (index, byte)| bits | u64::from(is(*byte)) << index)
        };
        let specials = Specials {
            backslashes: bits(&|byte| byte == b'\\'),
            controls: bits(&|byte| byte < 0x20),
            beyond_ascii: bits(&|byte| byte >= 0x80),
        };
        let classes = Classes {
            third: bits(&|byte| class(byte) & 4 != 0),
            second: bits(&|byte| class(byte) & 2 != 0),
            first: bits(&|byte| class(byte) & 1 != 0),
            quotes: bits(&|byte| byte == b'"'),
            unusual: specials.controls | specials.beyond_ascii,
            has_backslash: specials.backslashes != 0,
        };
        (classes, specials)
    }

    #[test]
    fn every_byte_at_every_place_is_seen_as_the_loop_sees_it() {
        for byte in 0..=u8::MAX {
            // What stands beside a byte does not matter to it.
            for beside in [b'a', b'"', 0xff, byte] {
                for place in 0..BLOCK {
                    let mut block = [beside; BLOCK];
                    block[place] = byte;
                    let expected = by_the_byte(&block);
                    assert_eq!((classes(&block), specials(&block)), expected, "{byte} at {place}");
                    assert_eq!((words::classes(&block), words::specials(&block)), expected, "{byte} at {place}");
                }
            }
        }
    }
}
