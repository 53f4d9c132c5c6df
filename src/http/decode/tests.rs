use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Crc, GzBuilder};

use super::*;

const TEXT: &[u8] = br#"{"resourceType":"Patient","name":[{"family":"Doe"}],"x":"\u00e9"}"#;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn bare(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A header with everything in it that RFC 1952 knows.
fn adorned(text: &[u8]) -> Vec<u8> {
    let whole = GzBuilder::new().extra("extra").filename("name").comment("comment").mtime(7);
    let mut encoder = whole.write(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    let mut member = encoder.finish().unwrap();
    let header = member.windows(8).position(|part| part == b"comment\0").unwrap() + 8;
    member[3] |= 2;
    let mut crc = Crc::new();
    crc.update(&member[..header]);
    let sum = crc.sum().to_le_bytes();
    member.splice(header..header, [sum[0], sum[1]]);
    member
}

fn decode_in(pieces: usize, coding: Coding, limits: Limits, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(coding, limits);
    let mut out = Vec::new();
    for piece in body.chunks(pieces) {
        decoder.write(piece, |bytes| {
            out.extend_from_slice(bytes);
            Ok::<_, DecodeError>(())
        })?;
    }
    decoder.finish().map(|()| out)
}

/// Decodes whole and in pieces, which must not matter.
#[track_caller]
fn decode(coding: Coding, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let whole = decode_in(body.len().max(1), coding, Limits::default(), body);
    for pieces in [1, 2, 3, 7, 1000] {
        assert_eq!(decode_in(pieces, coding, Limits::default(), body), whole, "in pieces of {pieces}");
    }
    whole
}

#[test]
fn what_was_encoded_comes_out_whatever_the_pieces() {
    let numbers: Vec<u8> = (0..40_000_u32).flat_map(|number| (number.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
    for text in [&b""[..], TEXT, &TEXT.repeat(30), &numbers] {
        for body in [gzip(text), adorned(text)] {
            assert_eq!(decode(Coding::Gzip, &body).as_deref(), Ok(text));
        }
        for body in [zlib(text), bare(text)] {
            assert_eq!(decode(Coding::Deflate, &body).as_deref(), Ok(text));
        }
    }
}

#[test]
fn no_body_at_all_is_no_damage() {
    assert_eq!(decode(Coding::Gzip, b""), Ok(Vec::new()));
    assert_eq!(decode(Coding::Deflate, b""), Ok(Vec::new()));
}

#[test]
fn members_after_one_another_are_one_body() {
    let body = [gzip(TEXT), gzip(b""), adorned(TEXT)].concat();
    assert_eq!(decode(Coding::Gzip, &body), Ok(TEXT.repeat(2)));
}

#[test]
fn a_body_cut_anywhere_is_damaged() {
    for body in [gzip(TEXT), adorned(TEXT)] {
        for end in 1..body.len() {
            assert_eq!(decode(Coding::Gzip, &body[..end]), Err(DecodeError::Damaged), "{end}");
        }
        let cut = [body.clone(), body[..5].to_vec()].concat();
        assert_eq!(decode(Coding::Gzip, &cut), Err(DecodeError::Damaged));
    }
    for body in [zlib(TEXT), bare(TEXT)] {
        for end in 1..body.len() {
            assert_eq!(decode(Coding::Deflate, &body[..end]), Err(DecodeError::Damaged), "{end}");
        }
    }
}

#[test]
fn bytes_after_the_end_are_damage() {
    for after in [&b"\0"[..], b"x", b"{}", &[0x1f], &[0x1f, 0x8b, 8, 0]] {
        for body in [gzip(TEXT), adorned(TEXT)] {
            assert_eq!(decode(Coding::Gzip, &[&body, after].concat()), Err(DecodeError::Damaged));
        }
        for body in [zlib(TEXT), bare(TEXT)] {
            assert_eq!(decode(Coding::Deflate, &[&body, after].concat()), Err(DecodeError::Damaged));
        }
    }
}

#[test]
fn a_wrong_header_checksum_or_length_is_damage() {
    let plain = gzip(TEXT);
    let length = plain.len();
    for at in [0, 1, 2].into_iter().chain(length - 8..length) {
        let mut body = plain.clone();
        body[at] ^= 1;
        assert_eq!(decode(Coding::Gzip, &body), Err(DecodeError::Damaged), "{at}");
    }
    for reserved in [1 << 5, 1 << 6, 1 << 7] {
        let mut body = plain.clone();
        body[3] |= reserved;
        assert_eq!(decode(Coding::Gzip, &body), Err(DecodeError::Damaged), "{reserved}");
    }
    let adorned = adorned(TEXT);
    let header = adorned.windows(8).position(|part| part == b"comment\0").unwrap() + 8;
    for at in [header, header + 1] {
        let mut body = adorned.clone();
        body[at] ^= 1;
        assert_eq!(decode(Coding::Gzip, &body), Err(DecodeError::Damaged), "{at}");
    }
    let zlib = zlib(TEXT);
    for at in zlib.len() - 4..zlib.len() {
        let mut body = zlib.clone();
        body[at] ^= 1;
        assert_eq!(decode(Coding::Deflate, &body), Err(DecodeError::Damaged), "{at}");
    }
}

#[test]
fn what_is_not_encoded_or_encoded_otherwise_is_damage() {
    for body in [TEXT.to_vec(), zlib(TEXT), bare(TEXT), gzip(&gzip(TEXT))[10..].to_vec()] {
        assert_eq!(decode(Coding::Gzip, &body), Err(DecodeError::Damaged));
    }
    // The zlib format with a dictionary that nobody has agreed on.
    let with_dictionary = [0x78, 0x20, 0, 0, 0, 1];
    for body in [TEXT.to_vec(), gzip(TEXT), with_dictionary.to_vec(), vec![0x07, 0xff], vec![0xff; 40]] {
        assert_eq!(decode(Coding::Deflate, &body), Err(DecodeError::Damaged));
    }
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let bomb = vec![b' '; 8 << 20];
    for (coding, body) in [(Coding::Gzip, gzip(&bomb)), (Coding::Deflate, zlib(&bomb)), (Coding::Deflate, bare(&bomb))] {
        for pieces in [64, body.len()] {
            let mut decoder = Decoder::new(coding, Limits::default());
            let mut out = 0;
            let refused = body.chunks(pieces).try_for_each(|piece| {
                decoder.write(piece, |bytes| {
                    out += bytes.len();
                    Ok::<_, DecodeError>(())
                })
            });
            assert_eq!(refused, Err(DecodeError::Limit));
            // Before a KiB has gone in, what may come of one.
            assert!(out <= 100 << 10, "{out}");
        }
    }
}

#[test]
fn each_limit_holds_on_both_sides() {
    let text = vec![b' '; 50_000];
    let body = gzip(&text);
    assert!(body.len() < 1024);
    let with = |ratio, size| decode_in(body.len(), Coding::Gzip, Limits { ratio, size }, &body).map(|out| out.len());
    assert_eq!(with(49, 1 << 20), Ok(50_000));
    assert_eq!(with(48, 1 << 20), Err(DecodeError::Limit));
    assert_eq!(with(1000, 50_000), Ok(50_000));
    assert_eq!(with(1000, 49_999), Err(DecodeError::Limit));
    assert_eq!(with(1000, 0), Err(DecodeError::Limit));
    // Past the first KiB it is what went in that counts.
    let noise: Vec<u8> = (0..4096_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let body = gzip(&[noise, vec![b' '; 500_000]].concat());
    let with = |ratio| decode_in(body.len(), Coding::Gzip, Limits { ratio, size: 1 << 20 }, &body).map(|out| out.len());
    assert_eq!(with(MAX_RATIO), Ok(504_096));
    assert_eq!(with(50), Err(DecodeError::Limit));
}

#[test]
fn one_piece_becomes_no_more_than_can_leave_at_once() {
    let body = gzip(&vec![b' '; 40 << 20]).repeat(2);
    let limits = Limits { ratio: MAX_RATIO, size: u64::MAX };
    let count = |pieces| {
        let (mut decoder, mut out) = (Decoder::new(Coding::Gzip, limits), 0_u64);
        let written = body.chunks(pieces).try_for_each(|piece| {
            decoder.write(piece, |bytes| {
                out += bytes.len() as u64;
                Ok::<_, DecodeError>(())
            })
        });
        (written, out <= AT_ONCE || pieces < body.len())
    };
    assert_eq!(count(body.len()), (Err(DecodeError::Limit), true));
    assert_eq!(count(body.len() / 3), (Ok(()), true));
}

#[test]
fn a_sink_that_fails_ends_it() {
    let mut decoder = Decoder::new(Coding::Gzip, Limits::default());
    assert_eq!(decoder.write(&gzip(TEXT), |_| Err(DecodeError::Coding)), Err(DecodeError::Coding));
}

#[test]
fn one_known_coding_is_read_from_a_head_and_nothing_else() {
    let of = |values: &[&str]| Coding::of(&Headers::from_pairs(values.iter().map(|value| ("content-encoding", value))));
    for (values, coding) in [
        (&[][..], None),
        (&[""], None),
        (&["identity"], None),
        (&["gzip"], Some(Coding::Gzip)),
        (&["GZip"], Some(Coding::Gzip)),
        (&["x-gzip"], Some(Coding::Gzip)),
        (&["Deflate"], Some(Coding::Deflate)),
    ] {
        assert_eq!(of(values), Ok(coding), "{values:?}");
    }
    for values in [
        &["br"][..],
        &["zstd"],
        &["compress"],
        &["gzip, gzip"],
        &["identity, gzip"],
        &["gzip,"],
        &["gzip", "gzip"],
        &["identity", "identity"],
        &["gzip;q=1"],
        &["\u{ff}"],
    ] {
        assert_eq!(of(values), Err(DecodeError::Coding), "{values:?}");
    }
}

#[test]
fn a_byte_changed_anywhere_never_brings_out_another_body() {
    let text = TEXT.repeat(5);
    for (coding, body) in [(Coding::Gzip, adorned(&text)), (Coding::Gzip, gzip(&text)), (Coding::Deflate, zlib(&text))] {
        for at in 0..body.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = body.clone();
                changed[at] ^= change;
                match decode_in(changed.len(), coding, Limits::default(), &changed) {
                    // What stands in a header without a checksum may change.
                    Ok(out) => assert_eq!(out, text, "{at}"),
                    Err(error) => assert!(matches!(error, DecodeError::Damaged | DecodeError::Limit), "{at} {error}"),
                }
            }
        }
    }
}
