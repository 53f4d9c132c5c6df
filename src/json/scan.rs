//! Where the next byte stands that matters, sixteen bytes at a time.
//!
//! One step of comparison finds the first byte of a block that ends a plain run: with the vector instructions of
//! WebAssembly, which are safe functions, and with two 64-bit words elsewhere. Both give the same index; a test holds
//! them to the loop they replace.

/// Bytes looked at in one step.
const BLOCK: usize = 16;

/// The index, from `from` on, of the first byte that is not plain text inside a string: a quote, a backslash, a control
/// character or the beginning of a character beyond ASCII. The length when there is none.
#[inline(always)]
pub(super) fn end_of_plain(data: &[u8], from: usize) -> usize {
    let (blocks, tail) = data.get(from..).unwrap_or_default().as_chunks::<BLOCK>();
    let mut at = from;
    for block in blocks {
        if let Some(index) = block::first_special(block) {
            return at + index;
        }
        at += BLOCK;
    }
    at + tail.iter().position(|byte| is_special(*byte)).unwrap_or(tail.len())
}

#[inline]
fn is_special(byte: u8) -> bool {
    !(0x20..0x80).contains(&byte) || byte == b'"' || byte == b'\\'
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod block {
    use std::arch::wasm32::{i8x16_bitmask, i8x16_eq, i8x16_lt, i8x16_splat, u64x2, v128_or};

    #[inline]
    pub(super) fn first_special(block: &[u8; super::BLOCK]) -> Option<usize> {
        let word = u128::from_le_bytes(*block);
        let bytes = u64x2(word as u64, (word >> 64) as u64);
        let quote = i8x16_eq(bytes, i8x16_splat(b'"'.cast_signed()));
        let backslash = i8x16_eq(bytes, i8x16_splat(b'\\'.cast_signed()));
        // As signed numbers, both controls and bytes beyond ASCII are below the space.
        let outside = i8x16_lt(bytes, i8x16_splat(0x20));
        let found = i8x16_bitmask(v128_or(outside, v128_or(quote, backslash)));
        (found != 0).then(|| found.trailing_zeros() as usize)
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
use words as block;

/// The same with two words of eight bytes. In each word the lowest mark is right; those above it may not be.
#[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
mod words {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

    #[inline]
    pub(super) fn first_special(block: &[u8; super::BLOCK]) -> Option<usize> {
        let word = u128::from_le_bytes(*block);
        let low = marks(word as u64);
        if low != 0 {
            return Some(low.trailing_zeros() as usize / 8);
        }
        let high = marks((word >> 64) as u64);
        (high != 0).then(|| 8 + high.trailing_zeros() as usize / 8)
    }

    #[inline]
    fn marks(word: u64) -> u64 {
        let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
        let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        (word | below(word, 0x20) | equal(b'"') | equal(b'\\')) & HIGHS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_seen_as_the_loop_sees_it() {
        for byte in 0..=u8::MAX {
            for place in 0..BLOCK {
                let mut block = [b'a'; BLOCK];
                block[place] = byte;
                let expected = block.iter().position(|byte| is_special(*byte));
                assert_eq!(block::first_special(&block), expected, "{byte} at {place}");
                assert_eq!(words::first_special(&block), expected, "{byte} at {place}, in words");
            }
        }
    }

    #[test]
    fn the_first_of_many_wins_and_none_is_the_length() {
        let text = [b"0123456789abcdef0123456789abc\"\\\x01".to_vec(), vec![b'x'; 40]].concat();
        assert_eq!(end_of_plain(&text, 0), 29);
        assert_eq!(end_of_plain(&text, 30), 30);
        assert_eq!(end_of_plain(&text, 32), text.len());
        assert_eq!(end_of_plain(&text, text.len() + 1), text.len() + 1);
    }
}
