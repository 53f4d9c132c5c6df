//! E-mail addresses, URLs and IP addresses.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::cursor::{
    Cursor, LETTER, SYMBOL, WIDE_LETTER, back, before, begins_digits, byte, free_after, free_before, is_word, number,
};

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == LETTER || byte == WIDE_LETTER
}

/// An e-mail address (RFC 5321 section 4.1.2) around the `@` here. A domain without a dot is none.
pub(super) fn email(text: &[u8], at: usize) -> Option<Range<usize>> {
    if byte(text, at) != b'@' {
        return None;
    }
    // What is read back ends at the `@` before, and what is read ahead at the next: each byte is read twice at most.
    let mut start = back(text, at, usize::MAX, |byte| is_letter(byte) || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte));
    if before(text, at) == b'"' {
        start = back(text, at.saturating_sub(1), 64, |byte| byte != b'"').saturating_sub(1);
    }
    let leading = text.get(start..at)?.iter().take_while(|byte| b"'./=".contains(byte)).count();
    start = start.saturating_add(leading);
    let mut here = Cursor::new(text, at.saturating_add(1));
    let domain = here.run(usize::MAX, |byte| is_letter(byte) || matches!(byte, b'.' | b'-' | b'_'));
    let trailing = domain.iter().rev().take_while(|byte| b".-_".contains(byte)).count();
    let domain = domain.get(..domain.len().saturating_sub(trailing))?;
    let top = domain.rsplit(|byte| *byte == b'.').next()?;
    let named = top.len() > 1 && top.len() < domain.len() && top.iter().any(|byte| !byte.is_ascii_digit());
    let end = here.at.saturating_sub(trailing);
    if start < at && named {
        return Some(start..end);
    }
    // An address in brackets, or with numbers for a domain.
    let literal = domain.is_empty() && here.eat(b"[").is_some() && {
        here.run(64, |byte| byte.is_ascii_hexdigit() || b".:IPvip".contains(&byte));
        here.eat(b"]").is_some()
    };
    let numeric = !domain.is_empty() && parse_v4(domain);
    let end = if literal { here.at } else { end };
    (start < at && (literal || numeric)).then_some(start..end)
}

/// Top domains under which a host is known for one although only a path follows it.
const TOPS: &[&str] = &["com", "org", "net", "edu", "gov", "mil", "io", "me", "info", "us", "ca", "uk", "app", "health"];

/// A URL (RFC 3986): any scheme and `://`, or `www.`, and what follows up to a space, a quote or an angle bracket; also a
/// host under a top domain that everybody knows, with a path.
pub(super) fn url(text: &[u8], at: usize) -> Option<Range<usize>> {
    let (start, after) = if text.get(at..)?.starts_with(b"://") {
        let start = back(text, at, usize::MAX, |byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let scheme = text.get(start..at)?;
        let odd = scheme.iter().take_while(|byte| !byte.is_ascii_alphabetic()).count();
        (start.saturating_add(odd), at.saturating_add(3))
    } else if text.get(at..at.saturating_add(4)).is_some_and(|www| www.eq_ignore_ascii_case(b"www."))
        && !is_word(before(text, at))
    {
        (at, at.saturating_add(4))
    } else if byte(text, at) == b'/' {
        let start = host(text, at)?;
        return Some(start..end_of_url(text, at));
    } else {
        return None;
    };
    // What follows is read only when it is a match, so that no byte is read again.
    (start < at || after == at.saturating_add(4)).then_some(())?;
    let end = end_of_url(text, after);
    (end > after).then_some(start..end)
}

/// Where the host begins whose path the slash at `at` begins.
fn host(text: &[u8], at: usize) -> Option<usize> {
    let next = byte(text, at.saturating_add(1));
    let top = back(text, at, 7, |byte| byte.is_ascii_alphabetic());
    let is_top = TOPS.iter().any(|known| text.get(top..at).is_some_and(|top| top.eq_ignore_ascii_case(known.as_bytes())));
    if !is_top || before(text, top) != b'.' || !is_word(next) {
        return None;
    }
    let start = back(text, top, 253, |byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    let host = text.get(start..at)?;
    let whole = !host.starts_with(b".") && !host.windows(2).any(|two| two == b"..") && !is_word(before(text, start));
    (whole && before(text, start) != b'/').then_some(start)
}

/// Where a URL ends of which this is left, without what belongs to the sentence around it.
fn end_of_url(text: &[u8], at: usize) -> usize {
    let mut here = Cursor::new(text, at);
    let rest = here.run(usize::MAX, |byte| byte > b' ' && byte != SYMBOL && !b"<>\"".contains(&byte));
    let closes = |byte: &u8| b".,;:!?'".contains(byte) || matches!(byte, b')' | b']' | b'}');
    let opens = rest.iter().any(|byte| b"([{".contains(byte));
    let trailing = rest.iter().rev().take_while(|byte| closes(byte) && !(opens && b")]}".contains(byte))).count();
    here.at.saturating_sub(trailing)
}

/// An IP address: four numbers up to 255 with dots and no fifth, or what RFC 4291 section 2.2 has for IPv6.
pub(super) fn ip(text: &[u8], at: usize) -> Option<Range<usize>> {
    if begins_digits(text, at)
        && let Some(found) = v4(text, at)
    {
        return Some(found);
    }
    let part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    if !part(byte(text, at)) || part(before(text, at)) {
        return None;
    }
    v6(text, at)
}

fn v4(text: &[u8], at: usize) -> Option<Range<usize>> {
    let mut here = Cursor::new(text, at);
    for index in 0..4 {
        if index > 0 {
            here.eat(b".")?;
        }
        here.digits(1..4).filter(|octet| number(octet) < 256)?;
    }
    // Inside an IPv6 address it is found with the rest.
    (free_before(text, at) && free_after(text, here.at)).then_some(at..here.at)
}

fn parse_v4(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<Ipv4Addr>().is_ok())
}

fn v6(text: &[u8], at: usize) -> Option<Range<usize>> {
    let mut here = Cursor::new(text, at);
    let run = here.run(48, |byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.');
    if run.iter().filter(|byte| **byte == b':').count() < 2 || !run.iter().any(u8::is_ascii_digit) {
        return None;
    }
    // Dots or one colon before it belong to the sentence: `address:fe80::1`.
    let dots = run.iter().take_while(|byte| **byte == b'.').count();
    let run = run.get(dots..)?;
    let at = at.saturating_add(dots);
    let leading = usize::from(run.starts_with(b":") && !run.starts_with(b"::"));
    let start = at.saturating_add(leading);
    let trailing = match run {
        [.., b':', b':'] => 0,
        _ => run.iter().rev().take_while(|byte| b".:".contains(byte)).count(),
    };
    let address = run.get(leading..run.len().saturating_sub(trailing))?;
    let parsed = std::str::from_utf8(address).ok()?.parse::<Ipv6Addr>().is_ok();
    let end = start.saturating_add(address.len());
    let mut zone = Cursor::new(text, end);
    let zoned = zone.eat(b"%").is_some() && !zone.run(32, |byte| byte.is_ascii_alphanumeric()).is_empty();
    let end = if zoned { zone.at } else { end };
    (parsed && !is_word(before(text, start)) && !is_word(byte(text, end))).then_some(start..end)
}
