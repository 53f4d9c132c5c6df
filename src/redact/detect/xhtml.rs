//! FHIR Narrative (R4 section 2.4.0) taken apart: the text that a reader sees, and what tags and comments hide.
//!
//! Text goes on across tags that do not end a line (`123-<b>45</b>-6789`), comments and CDATA sections, with character
//! references read. Each attribute value, comment and processing instruction is a text of its own. What is not
//! well-formed is read as text, so that nothing escapes by being malformed: a `<` that no `>` follows, an unknown
//! reference.
//!
//! Names of elements and attributes are not looked into. Reading never goes back by more than one tag.

use std::ops::Range;

use super::text::{Lines, Piece};
use crate::json::{Characters, Error};

/// Elements that end a line or a cell; all others leave text together.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "button",
    "caption",
    "center",
    "col",
    "colgroup",
    "dd",
    "details",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "img",
    "label",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "optgroup",
    "option",
    "p",
    "pre",
    "section",
    "select",
    "summary",
    "table",
    "tbody",
    "td",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
];
/// The namespace that every `div` has to name; as a URL it tells nothing.
const NAMESPACE: &str = "http://www.w3.org/1999/xhtml";
const CDATA: &str = "![CDATA[";

/// Named references that matter: the five of XML, and what reads as a space, a dash or nothing (HTML 5 section 13.5).
/// Any other stands for a symbol.
const NAMED: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("shy", '\u{ad}'),
    ("ndash", '-'),
    ("mdash", '-'),
    ("minus", '-'),
    ("hyphen", '-'),
    ("dash", '-'),
    ("horbar", '-'),
    ("ensp", ' '),
    ("emsp", ' '),
    ("thinsp", ' '),
    ("hairsp", ' '),
    ("numsp", ' '),
    ("puncsp", ' '),
    ("Tab", ' '),
    ("NewLine", ' '),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
    ("NoBreak", '\u{2060}'),
    ("ZeroWidthSpace", '\u{200b}'),
    ("commat", '@'),
    ("period", '.'),
    ("colon", ':'),
    ("sol", '/'),
    ("lpar", '('),
    ("rpar", ')'),
    ("plus", '+'),
    ("lowbar", '_'),
    ("num", '#'),
    ("comma", ','),
    ("rsquo", '\''),
    ("lsquo", '\''),
];

/// Takes a narrative apart; `raw` is what stands between the quotes of the JSON string.
pub(super) fn pieces(raw: &[u8]) -> Result<Vec<Piece>, Error> {
    let mut reader = Reader { text: Piece::new(Lines::Collapse), hidden: Vec::new(), endless: Vec::new() };
    let mut here = Characters::new(raw)?;
    while let Some((character, span)) = here.next() {
        let span = narrow(&span);
        let after = match character {
            '<' => reader.markup(here.clone(), span.start),
            '&' => reference(here.clone()).map(|(meant, after, end)| {
                reader.text.push(meant, &(span.start..end));
                after
            }),
            _ => None,
        };
        match after {
            Some(after) => here = after,
            None => reader.text.push(character, &span),
        }
    }
    reader.hidden.push(reader.text);
    Ok(reader.hidden)
}

/// A span that is known to fit.
pub(super) fn narrow(span: &Range<usize>) -> Range<u32> {
    let narrow = |place| u32::try_from(place).unwrap_or(u32::MAX);
    narrow(span.start)..narrow(span.end)
}

struct Reader {
    /// What is shown.
    text: Piece,
    /// What is not.
    hidden: Vec<Piece>,
    /// Ends that were looked for up to the end of the input, in vain.
    endless: Vec<&'static str>,
}

impl Reader {
    /// Reads what begins with the `<` before `here`, at `start`; says where it goes on.
    fn markup<'a>(&mut self, here: Characters<'a>, start: u32) -> Option<Characters<'a>> {
        if let Some(comment) = skip(&here, "!--") {
            return self.until("-->", comment, true);
        }
        if let Some(section) = skip(&here, CDATA) {
            return self.until("]]>", section, false);
        }
        if let Some(instruction) = skip(&here, "?") {
            return self.until("?>", instruction, true);
        }
        let tag = Tag::read(here)?;
        match tag.name.trim_start_matches('/') {
            "br" => self.text.push(' ', &(start..start)),
            name if BLOCKS.contains(&name) => self.text.end_block(start),
            _ => (),
        }
        self.hidden.extend(tag.values);
        Some(tag.after)
    }

    /// Reads up to `end`, into a text of its own if that is `hidden`.
    fn until<'a>(&mut self, end: &'static str, mut here: Characters<'a>, hidden: bool) -> Option<Characters<'a>> {
        if self.endless.contains(&end) {
            return None;
        }
        let mut found = here.clone();
        while let Some(after) = step(&mut found, end) {
            if let Some(after) = after {
                let mut piece = Piece::new(Lines::Collapse);
                let to = if hidden { &mut piece } else { &mut self.text };
                while let Some(None) = step(&mut here.clone(), end) {
                    let (character, span) = here.next()?;
                    to.push(character, &narrow(&span));
                }
                self.hidden.push(piece);
                return Some(after);
            }
        }
        self.endless.push(end);
        None
    }
}

/// What follows `literal`, if it stands here.
fn skip<'a>(here: &Characters<'a>, literal: &str) -> Option<Characters<'a>> {
    let mut here = here.clone();
    literal.chars().all(|wanted| here.next().is_some_and(|(found, _)| found == wanted)).then_some(here)
}

/// Goes one character on, or says what follows `end` if it stands here; nothing at the end of the input.
fn step<'a>(here: &mut Characters<'a>, end: &str) -> Option<Option<Characters<'a>>> {
    let after = skip(here, end);
    if after.is_none() {
        here.next()?;
    }
    Some(after)
}

struct Tag<'a> {
    /// In lower case, with the slash of an end tag.
    name: String,
    values: Vec<Piece>,
    after: Characters<'a>,
}

impl<'a> Tag<'a> {
    /// Reads a tag after its `<`. It has no further `<`.
    fn read(mut here: Characters<'a>) -> Option<Self> {
        let mut tag = Self { name: String::new(), values: Vec::new(), after: here.clone() };
        let first = here.clone().next()?.0;
        if !first.is_alphabetic() && !matches!(first, '/' | '_' | ':' | '!') {
            return None;
        }
        let (mut named, mut equals) = (false, false);
        while let Some((character, span)) = here.next() {
            match character {
                '<' => return None,
                '>' => {
                    tag.after = here;
                    return Some(tag);
                }
                '"' | '\'' => here = tag.value(here, |next| next == character)?,
                _ if equals && !character.is_whitespace() => {
                    let mut piece = Piece::new(Lines::Collapse);
                    piece.push(character, &narrow(&span));
                    here = tag.bare(piece, here)?;
                }
                _ => named |= character.is_whitespace() || character == '/' && !tag.name.is_empty(),
            }
            equals = character == '=' || equals && character.is_whitespace();
            if !named && tag.name.len() < 16 {
                tag.name.extend(character.to_lowercase());
            }
        }
        None
    }

    /// Reads a quoted value to its closing quote.
    fn value(&mut self, mut here: Characters<'a>, closes: impl Fn(char) -> bool) -> Option<Characters<'a>> {
        let (mut piece, mut meant) = (Piece::new(Lines::Collapse), String::new());
        while let Some((character, span)) = here.next() {
            let (mut character, mut span) = (character, narrow(&span));
            if character == '<' {
                return None;
            }
            if closes(character) {
                if meant != NAMESPACE {
                    self.values.push(piece);
                }
                return Some(here);
            }
            if character == '&'
                && let Some((read, after, end)) = reference(here.clone())
            {
                (character, span.end, here) = (read, end, after);
            }
            piece.push(character, &span);
            if meant.len() <= NAMESPACE.len() {
                meant.push(character);
            }
        }
        None
    }

    /// Reads a value without quotes, which only HTML has.
    fn bare(&mut self, mut piece: Piece, mut here: Characters<'a>) -> Option<Characters<'a>> {
        loop {
            let before = here.clone();
            let (character, span) = here.next()?;
            if character.is_whitespace() || matches!(character, '>' | '<' | '"' | '\'') {
                self.values.push(piece);
                return Some(before);
            }
            piece.push(character, &narrow(&span));
        }
    }
}

/// Reads a character reference after its `&`: what it stands for, what follows, and where it ends. One by number needs no
/// semicolon, since HTML reads it without.
fn reference(mut here: Characters<'_>) -> Option<(char, Characters<'_>, u32)> {
    let mut name = String::new();
    let (mut code, mut digits, mut end) = (0_u32, 0_usize, 0);
    let mut radix = None;
    let meant = |code: u32| char::from_u32(code).unwrap_or('\u{fffd}');
    loop {
        let before = here.clone();
        let Some((character, span)) = here.next() else {
            return (digits > 0).then(|| (meant(code), before, end));
        };
        let span = narrow(&span);
        match (character, radix) {
            (';', Some(_)) => return Some((if digits > 0 { meant(code) } else { '\u{fffd}' }, here, span.end)),
            (';', None) => {
                let named = NAMED.iter().find(|(known, _)| *known == name);
                return (!name.is_empty()).then(|| (named.map_or('\u{fffd}', |found| found.1), here, span.end));
            }
            ('#', None) if name.is_empty() => radix = Some(10),
            ('x' | 'X', Some(10)) if digits == 0 => radix = Some(16),
            (_, Some(radix)) => match character.to_digit(radix) {
                Some(digit) => {
                    code = code.saturating_mul(radix).saturating_add(digit);
                    digits = digits.saturating_add(1);
                }
                None => return (digits > 0).then(|| (meant(code), before, end)),
            },
            (_, None) if character.is_ascii_alphanumeric() && name.len() < 32 => name.push(character),
            _ => return None,
        }
        end = span.end;
    }
}
