//! What is done to a value before a rule judges it: the disguises that interpreters take off themselves.
//!
//! Each transform is one pass over the bytes, and most values pass untouched: it begins with a look for the byte that
//! starts what it undoes. What cannot be undone stays as it is; nothing is refused here.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// `%41` and `%u0041`.
    UrlDecode,
    /// The same twice.
    UrlDecodeTwice,
    /// `&lt;`, `&#60;`, `&#x3c;`.
    HtmlEntities,
    /// `\u0041`, `\x41`; fullwidth forms, overlong UTF-8; zero-width characters and NUL go.
    Unicode,
    /// `/* comments */` become a space; what `/*!50000 hides */` stays.
    SqlComments,
    /// `\` becomes `/`, `//` and `/./` become `/`, but for the `//` behind the `:` of a scheme.
    Path,
}

impl Transform {
    /// Whether what one of them undoes can begin with this byte. A `/` does where another, a dot or `*` follows:
    /// [`Transform::is_slashed`].
    pub(super) fn begins_with(byte: u8) -> bool {
        matches!(byte, b'%' | b'&' | b'\\' | 0 | 0xc0..=0xc2 | 0xe2 | 0xef)
    }

    /// Whether a `/` is one that [`Transform::Path`] or [`Transform::SqlComments`] could undo.
    pub(super) fn is_slashed(text: &[u8]) -> bool {
        has_slashes(text) || text.windows(2).any(|pair| pair == b"/*")
    }

    /// The text after it; borrowed where it changed nothing.
    pub(super) fn apply(self, text: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::UrlDecode => url_decode(text),
            Self::UrlDecodeTwice => match url_decode(text) {
                Cow::Borrowed(text) => Cow::Borrowed(text),
                Cow::Owned(once) => Cow::Owned(url_decode(&once).into_owned()),
            },
            Self::HtmlEntities => html_entities(text),
            Self::Unicode => unicode(text),
            Self::SqlComments => sql_comments(text),
            Self::Path => path(text),
        }
    }
}

/// Copies a text, but for what `undo` makes of the bytes from some place on: what it means and how long it is.
fn rewrite<'t>(
    text: &'t [u8],
    starts: impl Fn(u8) -> bool,
    undo: impl Fn(&'t [u8], &mut Vec<u8>) -> Option<usize>,
) -> Cow<'t, [u8]> {
    let Some(first) = text.iter().position(|byte| starts(*byte)) else { return Cow::Borrowed(text) };
    let mut out = Vec::with_capacity(text.len());
    let (before, mut rest) = text.split_at(first);
    out.extend_from_slice(before);
    while let Some((byte, after)) = rest.split_first() {
        match starts(*byte).then(|| undo(rest, &mut out)).flatten() {
            Some(length) => rest = rest.get(length.max(1)..).unwrap_or_default(),
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

fn url_decode(text: &[u8]) -> Cow<'_, [u8]> {
    rewrite(
        text,
        |byte| byte == b'%',
        |rest, out| {
            if let Some(value) = hex(rest.get(1..3)?) {
                out.push(value as u8);
                return Some(3);
            }
            let unit = rest.get(1).filter(|byte| matches!(byte, b'u' | b'U')).and_then(|_| hex(rest.get(2..6)?))?;
            push_character(unit, out);
            Some(6)
        },
    )
}

/// The names that matter to an attacker. The `;` may be left out behind digits, as browsers allow.
const ENTITIES: &[(&[u8], &[u8])] = &[
    (b"lt;", b"<"),
    (b"gt;", b">"),
    (b"quot;", b"\""),
    (b"apos;", b"'"),
    (b"amp;", b"&"),
    (b"nbsp;", b" "),
    (b"tab;", b"\t"),
    (b"newline;", b"\n"),
    (b"colon;", b":"),
    (b"semi;", b";"),
    (b"lpar;", b"("),
    (b"rpar;", b")"),
    (b"sol;", b"/"),
    (b"bsol;", b"\\"),
    (b"equals;", b"="),
    (b"grave;", b"`"),
    (b"dollar;", b"$"),
    (b"lbrace;", b"{"),
    (b"lcub;", b"{"),
    (b"period;", b"."),
    (b"num;", b"#"),
];

/// The longest run of digits, behind zeros, that is read as one character: more are none.
const MAX_DIGITS: usize = 12;

fn html_entities(text: &[u8]) -> Cow<'_, [u8]> {
    rewrite(
        text,
        |byte| byte == b'&',
        |rest, out| {
            if rest.get(1) == Some(&b'#') {
                let is_hex = matches!(rest.get(2), Some(b'x' | b'X'));
                let begin = if is_hex { 3 } else { 2 };
                let zeros = rest.get(begin..)?.iter().take_while(|byte| **byte == b'0').count();
                // One zero is a digit like any other.
                let begin = begin + zeros.saturating_sub(1);
                let digits = rest.get(begin..)?.iter().take(MAX_DIGITS);
                let length =
                    digits.take_while(|byte| if is_hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() });
                let end = begin + length.count();
                let written = std::str::from_utf8(rest.get(begin..end)?).ok()?;
                let value = u32::from_str_radix(written, if is_hex { 16 } else { 10 }).ok()?;
                push_character(value, out);
                return Some(end + usize::from(rest.get(end) == Some(&b';')));
            }
            let named = |(name, _): &&(&[u8], &[u8])| {
                rest.get(1..=name.len()).is_some_and(|written| written.eq_ignore_ascii_case(name))
            };
            let (name, meant) = ENTITIES.iter().find(named)?;
            out.extend_from_slice(meant);
            Some(1 + name.len())
        },
    )
}

fn unicode(text: &[u8]) -> Cow<'_, [u8]> {
    let starts = |byte: u8| matches!(byte, b'\\' | 0 | 0xc0..=0xc2 | 0xe2 | 0xef);
    rewrite(text, starts, |rest, out| match rest {
        [0, ..] => Some(1),
        [b'\\', b'u', b'{', digits @ ..] => {
            let length = digits.iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
            let closed = digits.get(length) == Some(&b'}');
            push_character(hex(digits.get(..length).filter(|digits| closed && !digits.is_empty())?)?, out);
            Some(4 + length)
        }
        [b'\\', b'u' | b'U', a, b, c, d, ..] => {
            push_character(hex(&[*a, *b, *c, *d])?, out);
            Some(6)
        }
        [b'\\', b'x' | b'X', a, b, ..] => {
            push_character(hex(&[*a, *b])?, out);
            Some(4)
        }
        // Overlong forms, which some decoders still take.
        [first @ 0xc0..=0xc1, second @ 0x80..=0xbf, ..] => {
            out.push((first & 1) << 6 | (second & 0x3f));
            Some(2)
        }
        // A soft hyphen.
        [0xc2, 0xad, ..] => Some(2),
        // Zero-width spaces and joiners, and the mark at the beginning of a file.
        [0xe2, 0x80, 0x8b..=0x8d, ..] | [0xef, 0xbb, 0xbf, ..] => Some(3),
        // U+FF01 to U+FF5E.
        [0xef, 0xbc, last @ 0x81..=0xbf, ..] => {
            out.push(last - 0x60);
            Some(3)
        }
        [0xef, 0xbd, last @ 0x80..=0x9e, ..] => {
            out.push(last - 0x20);
            Some(3)
        }
        _ => None,
    })
}

fn sql_comments(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.windows(2).any(|pair| pair == b"/*") {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = match rest {
            // What the server runs although it looks like a comment. Its end is that of a comment.
            [b'/', b'*', b'!', hidden @ ..] => {
                let digits = hidden.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
                out.push(b' ');
                hidden.get(digits..).unwrap_or_default()
            }
            [b'/', b'*', inside @ ..] => {
                out.push(b' ');
                let end = inside.windows(2).position(|pair| pair == b"*/");
                end.and_then(|end| inside.get(end + 2..)).unwrap_or_default()
            }
            [b'*', b'/', behind @ ..] => {
                out.push(b' ');
                behind
            }
            _ => {
                out.push(*byte);
                after
            }
        };
    }
    Cow::Owned(out)
}

/// Whether there is a `/./`, or a `//` that begins no authority.
fn has_slashes(text: &[u8]) -> bool {
    text.windows(3).any(|three| matches!(three, [before, b'/', b'/'] if *before != b':') || three == b"/./")
        || text.starts_with(b"//")
}

fn path(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') && !has_slashes(text) {
        return Cow::Borrowed(text);
    }
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text {
        let byte = if *byte == b'\\' { b'/' } else { *byte };
        if byte == b'/' {
            // `/./` is `/`, and `//` is.
            if out.ends_with(b"/.") {
                out.pop();
            }
            if out.ends_with(b"/") && !out.ends_with(b":/") {
                continue;
            }
        }
        out.push(byte);
    }
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

/// Half a surrogate pair is no character, and matters to no rule.
fn push_character(value: u32, out: &mut Vec<u8>) {
    let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
    // What was written by its number can itself be a fullwidth form.
    let character = match value {
        0xff01..=0xff5e => char::from_u32(value - 0xfee0).unwrap_or(character),
        _ => character,
    };
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_disguise_comes_off() {
        use Transform::*;
        for (transform, text, meant) in [
            (UrlDecode, "a%3Cb%3c%zz%4", "a<b<%zz%4"),
            (UrlDecode, "%253C", "%3C"),
            (UrlDecode, "%u003c%U003C%uFF1C", "<<<"),
            (UrlDecodeTwice, "%253Cx%3C", "<x<"),
            (HtmlEntities, "&lt;&LT;&#60;&#x3c&#x3C;&#0000060;&unknown;&", "<<<<<<&unknown;&"),
            (HtmlEntities, "java&Tab;script&colon;x&lpar;1&rpar;", "java\tscript:x(1)"),
            (Unicode, r"\u003cs\x3c\u{3c}\q\u00", r"<s<<\q\u00"),
            (Unicode, "＜ｓｃｒｉｐｔ＞\u{200b}\u{feff}\u{ad}x\0y", "<script>xy"),
            (SqlComments, "un/**/ion/*!50000select*/1/* rest", "un ion select 1 "),
            (Path, r"a\..\b//c/./d/.", "a/../b/c/d/."),
        ] {
            assert_eq!(String::from_utf8_lossy(&transform.apply(text.as_bytes())), meant, "{transform:?} {text}");
        }
        assert_eq!(&*Unicode.apply(b"\xc0\xaf\xc1\x81"), b"/A");
    }

    #[test]
    fn what_has_no_disguise_is_not_copied() {
        use Transform::*;
        let text = "Müller, 1/2 tab & 100 % of \\ a * b";
        for transform in [UrlDecode, UrlDecodeTwice, HtmlEntities, Unicode, SqlComments] {
            assert!(matches!(transform.apply(text.as_bytes()), Cow::Borrowed(_)), "{transform:?}");
        }
    }
}
