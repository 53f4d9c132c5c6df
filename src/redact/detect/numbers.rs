//! Numbers of a fixed form: SSN, NPI, MBI, payment cards, ZIP codes, and what follows the word MRN.

use std::ops::Range;

use super::cursor::{
    BREAK, Cursor, back, before, begins_digits, byte, cue, free_after, free_before, has_cue, is_word, lower, number,
};

const SSN_CUES: &[&str] = &["ssn", "ssns", "ss", "soc", "sec", "security", "social"];
const ZIP_CUES: &[&str] = &["zip", "zipcode", "postal"];

/// A Social Security number: 3-2-4 digits with dashes, spaces, dots or underscores; nine digits together, or in other
/// groups, only after a word such as `SSN`. Numbers that the SSA never gives out (area 000, 666, 900–999, group 00, serial
/// 0000) are none.
pub(super) fn us_ssn(text: &[u8], at: usize) -> Option<Range<usize>> {
    if !begins_digits(text, at) {
        return None;
    }
    let mut here = Cursor::new(text, at);
    let (mut digits, mut lengths) = ([0; 9], [0; 3]);
    let mut count = 0;
    for length in &mut lengths {
        let group = here.digits(1..10)?;
        for (to, from) in digits.iter_mut().skip(count).zip(group) {
            *to = *from;
        }
        *length = group.len();
        count = count.saturating_add(group.len());
        if count >= 9 {
            break;
        }
        between(&mut here)?;
    }
    let [area, group, serial] = [digits.get(..3)?, digits.get(3..5)?, digits.get(5..)?];
    let given = !matches!(number(area), 0 | 666 | 900..) && number(group) != 0 && number(serial) != 0;
    let written = text.get(at..here.at).unwrap_or_default();
    let usual = lengths == [3, 2, 4] && !written.contains(&b'/');
    let announced = || has_cue(text, at, SSN_CUES) || ends_in(text, at, b"s.s.n.");
    let fits = usual && free_before(text, at) || announced();
    (count == 9 && given && fits && free_after(text, here.at)).then_some(at..here.at)
}

/// Goes past what separates groups of digits.
fn between(here: &mut Cursor<'_>) -> Option<u8> {
    let space = here.eat(b" ");
    let mark = here.eat(b"-._/");
    let more = mark.and_then(|_| here.eat(b" "));
    mark.or(space).or(more)
}

/// Whether a word and what follows it stands right before `at`, in any case.
fn ends_with(text: &[u8], at: usize, word: &str) -> bool {
    let start = at.saturating_sub(word.len());
    text.get(start..at).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes())) && !is_word(before(text, start))
}

/// Whether this stands before `at`, in any case, and perhaps a space or a colon.
fn ends_in(text: &[u8], at: usize, wanted: &[u8]) -> bool {
    let end = back(text, at, 3, |byte| b" :#".contains(&byte));
    let start = end.saturating_sub(wanted.len());
    text.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(wanted)) && !is_word(before(text, start))
}

/// A National Provider Identifier: ten digits, the first a 1 or 2, whose check digit (ISO 7812, with the prefix 80840)
/// is right; the prefix may be written.
pub(super) fn npi(text: &[u8], at: usize) -> Option<Range<usize>> {
    if !begins_digits(text, at) {
        return None;
    }
    let mut here = Cursor::new(text, at);
    let digits = here.digits(10..16)?;
    let id = if digits.len() == 15 { digits.strip_prefix(b"80840")? } else { digits };
    let right = id.len() == 10 && matches!(byte(id, 0), b'1' | b'2') && luhn(b"80840".iter().chain(id).copied());
    let alone = free_after(text, here.at) && (free_before(text, at) || has_cue(text, at, &["npi"]));
    (right && alone).then_some(at..here.at)
}

/// A Medicare Beneficiary Identifier: eleven characters in the form that CMS gives, with or without its dashes.
pub(super) fn mbi(text: &[u8], at: usize) -> Option<Range<usize>> {
    // C a digit from 1, N a digit, A a letter but S, L, O, I, B and Z, X either of the last two.
    const FORM: &[u8] = b"CAXNAXNAANN";
    if !matches!(byte(text, at), b'1'..=b'9') || !free_before(text, at) {
        return None;
    }
    let letter = |byte: u8| byte.is_ascii_alphabetic() && !b"SLOIBZ".contains(&byte.to_ascii_uppercase());
    let mut here = Cursor::new(text, at);
    for (index, form) in FORM.iter().enumerate() {
        if matches!(index, 4 | 7) {
            here.eat(b"- ");
        }
        let next = here.peek();
        let fits = match form {
            b'A' => letter(next),
            b'X' => letter(next) || next.is_ascii_digit(),
            _ => next.is_ascii_digit(),
        };
        if !fits {
            return None;
        }
        here.at = here.at.saturating_add(1);
    }
    (!is_word(here.peek())).then_some(at..here.at)
}

/// A payment card number: 13 to 19 digits, the first from 2 to 6, together or in groups of which the first has four,
/// whose check digit (ISO 7812) is right.
pub(super) fn payment_card(text: &[u8], at: usize) -> Option<Range<usize>> {
    if !begins_digits(text, at) || !matches!(byte(text, at), b'2'..=b'6') || !free_before(text, at) {
        return None;
    }
    let mut here = Cursor::new(text, at);
    let mut digits = here.digits(4..20)?.to_vec();
    let mut groups = vec![(digits.len(), here.at)];
    while (4..19).contains(&digits.len()) && groups.first()?.0 == 4 {
        here.eat(b"- .");
        let Some(group) = here.digits(1..7) else { break };
        digits.extend_from_slice(group);
        groups.push((digits.len(), here.at));
    }
    let right = |(length, end): &&(usize, usize)| {
        let card = digits.get(..*length).unwrap_or_default();
        (13..20).contains(length) && free_after(text, *end) && luhn(card.iter().copied())
    };
    groups.iter().rev().find(right).map(|(_, end)| at..*end)
}

/// Whether the last of these digits is the check digit of the others (ISO/IEC 7812-1, annex B).
fn luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            let value = u32::from(digit.saturating_sub(b'0'));
            let doubled = value.saturating_mul(2);
            if index % 2 == 0 { value } else { doubled / 10 + doubled % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A ZIP code with four more digits; five or nine digits together only after the name or abbreviation of a state, or a
/// word such as `ZIP`.
pub(super) fn us_zip(text: &[u8], at: usize) -> Option<Range<usize>> {
    if !begins_digits(text, at) || is_word(before(text, at)) {
        return None;
    }
    let mut here = Cursor::new(text, at);
    let first = here.digits(5..10)?;
    let mut more = here;
    if first.len() == 5 && more.eat(b"-").is_some() && more.digits(4..5).is_some() {
        let dashed = before(text, at) == b'-' || more.peek() == b'-';
        let alone = free_before(text, at) && free_after(text, more.at);
        return (!dashed && alone).then_some(at..more.at);
    }
    let announced = after_state(text, at) || has_cue(text, at, ZIP_CUES);
    let fits = matches!(first.len(), 5 | 9) && free_after(text, here.at) && announced;
    fits.then_some(at..here.at)
}

/// Whether a state stands before `at`: two capitals, or its name in any case.
fn after_state(text: &[u8], at: usize) -> bool {
    let end = back(text, at, 3, |byte| b" ,.-".contains(&byte) || byte == BREAK);
    let start = back(text, end, 24, |byte| byte.is_ascii_alphabetic() || byte == b' ');
    let words = text.get(start..end).unwrap_or_default();
    let Some(last) = words.rsplit(|byte| *byte == b' ').next().filter(|_| end < at) else { return false };
    let alone = last.len() < words.len() || !is_word(before(text, start));
    let abbreviated = last.len() == 2 && ABBREVIATIONS.chunks(2).any(|state| state == last);
    let words = lower(words);
    let named = |state: &str| {
        words
            .strip_suffix(state)
            .is_some_and(|rest| rest.is_empty() && !is_word(before(text, start)) || rest.ends_with(' '))
    };
    abbreviated && alone || STATES.iter().any(|state| named(state))
}

/// USPS Publication 28, appendix B: states, possessions, military.
const ABBREVIATIONS: &[u8] =
    b"ALAKAZARCACOCTDEDCFLGAHIIDILINIAKSKYLAMEMDMAMIMNMSMOMTNENVNHNJNMNYNCNDOHOKORPARISCSDTNTXUTVTVA\
WAWVWIWYPRGUVIASMPAAAEAP";
const STATES: &[&str] = &[
    "alabama",
    "alaska",
    "arizona",
    "arkansas",
    "california",
    "colorado",
    "connecticut",
    "delaware",
    "district of columbia",
    "florida",
    "georgia",
    "hawaii",
    "idaho",
    "illinois",
    "indiana",
    "iowa",
    "kansas",
    "kentucky",
    "louisiana",
    "maine",
    "maryland",
    "massachusetts",
    "michigan",
    "minnesota",
    "mississippi",
    "missouri",
    "montana",
    "nebraska",
    "nevada",
    "new hampshire",
    "new jersey",
    "new mexico",
    "new york",
    "north carolina",
    "north dakota",
    "ohio",
    "oklahoma",
    "oregon",
    "pennsylvania",
    "puerto rico",
    "rhode island",
    "south carolina",
    "south dakota",
    "tennessee",
    "texas",
    "utah",
    "vermont",
    "virginia",
    "washington",
    "west virginia",
    "wisconsin",
    "wyoming",
];

/// What follows the word `MRN`, or `medical record` and `number`: at most three letters, then 4 to 12 digits, perhaps in
/// groups with dashes.
pub(super) fn mrn(text: &[u8], at: usize) -> Option<Range<usize>> {
    if !begins_digits(text, at) {
        return None;
    }
    let dash = back(text, at, 1, |byte| byte == b'-');
    let letters = back(text, dash, 3, |byte| byte.is_ascii_alphabetic());
    // What stands before the digits is the cue itself, or letters of the number after the cue.
    let begin = [at, letters].into_iter().find(|begin| {
        let is_medical = |cue: usize| ["medical ", "med ", "med. "].iter().any(|word| ends_with(text, cue, word));
        let is_abbreviated = back(text, *begin, 4, |byte| b" :#".contains(&byte));
        let mr = is_abbreviated < *begin
            && text.get(is_abbreviated..*begin).is_some_and(|between| between.contains(&b'#'))
            && ends_in(text, is_abbreviated, b"mr");
        mr || has_cue(text, *begin, &["mrn", "mrns"]) || cue(text, *begin, &["record", "rec"]).is_some_and(is_medical)
    })?;
    let mut here = Cursor::new(text, at);
    let mut count = here.digits(1..13)?.len();
    let mut end = here.at;
    while count < 12 && here.eat(b"-").is_some() {
        let Some(group) = here.digits(1..13) else { break };
        count = count.saturating_add(group.len());
        end = here.at;
    }
    ((4..13).contains(&count) && !is_word(byte(text, end))).then_some(begin..end)
}
