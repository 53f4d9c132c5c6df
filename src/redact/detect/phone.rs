//! Telephone numbers: the North American Numbering Plan as people write it, and ITU-T E.164 with its `+`.

use std::ops::Range;

use super::cursor::{Cursor, before, begins_digits, byte, free_after, free_before, has_cue, is_word};

const CUES: &[&str] = &[
    "phone",
    "telephone",
    "tel",
    "ph",
    "call",
    "called",
    "cell",
    "mobile",
    "fax",
    "pager",
    "home",
    "work",
    "contact",
    "at",
    "text",
    "dial",
    "extension",
    "voicemail",
];

/// Words that announce nothing but a number to call.
const SURE_CUES: &[&str] = &["phone", "telephone", "tel", "cell", "mobile", "fax", "pager"];

/// A telephone number, with its extension. Ten digits together or with spaces alone count where area and exchange are
/// ones that the plan has (they begin with 2 to 9); with other separators ten digits in 3-3-4 always do. Seven digits
/// count after a word such as `phone`, and after one that can mean nothing else any 7 to 15.
pub(super) fn phone(text: &[u8], at: usize) -> Option<Range<usize>> {
    let end = match byte(text, at) {
        b'+' if !is_word(before(text, at)) => nanp(text, at.saturating_add(1)).or_else(|| e164(text, at)),
        b'(' => nanp(text, at).or_else(|| announced(text, at)),
        _ if begins_digits(text, at) && (free_before(text, at) || has_cue(text, at, CUES)) => {
            nanp(text, at).or_else(|| local(text, at)).or_else(|| announced(text, at))
        }
        _ => None,
    }?;
    // What goes on behind it as a word is none, and hides no number.
    let end = extension(text, end).filter(|end| free_after(text, *end)).unwrap_or(end);
    free_after(text, end).then_some(at..end)
}

/// The end of a number in 3-3-4, perhaps after a 1.
fn nanp(text: &[u8], at: usize) -> Option<usize> {
    let mut here = Cursor::new(text, at);
    let mut ahead = here;
    if ahead.digits(1..2) == Some(b"1") {
        separator(&mut ahead);
        here = ahead;
    }
    let opened = here.eat(b"(").is_some();
    let first = here.digits(3..12)?;
    if !opened && matches!(first.len(), 10 | 11) {
        let number = if first.len() == 11 { first.strip_prefix(b"1")? } else { first };
        return (is_code(number) && is_code(number.get(3..)?)).then_some(here.at);
    }
    if first.len() != 3 || opened && here.eat(b")").is_none() {
        return None;
    }
    let marked = separator(&mut here);
    let exchange = here.digits(3..8)?;
    let is_marked = match exchange.len() {
        3 => {
            let second = separator(&mut here);
            here.digits(4..5)?;
            (opened || marked?) | second?
        }
        7 => marked.unwrap_or(false),
        _ => return None,
    };
    let planned = is_code(first) && is_code(exchange);
    (planned || is_marked || opened).then_some(here.at).filter(|_| marked.is_some() || opened)
}

/// An area code or exchange that the plan has.
fn is_code(digits: &[u8]) -> bool {
    matches!(byte(digits, 0), b'2'..=b'9')
}

/// Goes past what separates groups; whether it is more than a space, if there is any.
fn separator(here: &mut Cursor<'_>) -> Option<bool> {
    let start = here.at;
    here.eat(b" ");
    let marked = here.eat(b"-./").is_some();
    here.eat(b" ");
    (here.at > start).then_some(marked)
}

/// The end of a `+` and 7 to 15 digits in groups.
fn e164(text: &[u8], at: usize) -> Option<usize> {
    let first = at.saturating_add(1);
    matches!(byte(text, first), b'1'..=b'9').then(|| groups(text, first)).flatten()
}

/// The end of 7 to 15 digits in groups after a cue.
fn announced(text: &[u8], at: usize) -> Option<usize> {
    has_cue(text, at, SURE_CUES).then(|| groups(text, at)).flatten()
}

/// The end of 7 to 15 digits in groups, the first perhaps in parentheses.
fn groups(text: &[u8], at: usize) -> Option<usize> {
    let mut here = Cursor::new(text, at);
    here.eat(b"(");
    let (mut count, mut end) = (0_usize, here.at);
    while let Some(group) = here.digits(1..16) {
        count = count.saturating_add(group.len());
        if count > 15 {
            break;
        }
        end = here.at;
        here.run(3, |byte| b" -./()".contains(&byte));
    }
    let digits = text.get(at..end)?.iter().filter(|byte| byte.is_ascii_digit()).count();
    (digits >= 7 && !byte(text, end).is_ascii_digit()).then_some(end)
}

/// The end of a number in 3-4 after a cue.
fn local(text: &[u8], at: usize) -> Option<usize> {
    let mut here = Cursor::new(text, at);
    let exchange = here.digits(3..4)?;
    separator(&mut here)?;
    here.digits(4..5)?;
    (is_code(exchange) && has_cue(text, at, CUES)).then_some(here.at)
}

/// The end of `x123`, `ext. 123`, `extension 123` after a number.
fn extension(text: &[u8], at: usize) -> Option<usize> {
    let mut here = Cursor::new(text, at);
    here.run(2, |byte| b" ,;".contains(&byte));
    let word = here.word(9)?;
    here.run(2, |byte| b" .:#".contains(&byte));
    matches!(word.as_str(), "x" | "ext" | "extn" | "extension").then_some(())?;
    here.digits(1..7).map(|_| here.at)
}
