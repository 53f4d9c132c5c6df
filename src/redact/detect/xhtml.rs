//! FHIR Narrative (R4 section 2.4.0) taken apart: the text that a reader sees, and what tags and comments hide.
//!
//! Text goes on across tags that do not end a line (`123-<b>45</b>-6789`), comments and CDATA sections, with character
//! references read. Each attribute value, comment and processing instruction is a text of its own, and so are the names
//! of a tag together, since people write `<jane@example.com>`. What is not well-formed is read as text, so that nothing
//! escapes by being malformed: a `<` that no `>` follows, an unknown reference.
//!
//! Names of letters alone tell nothing and are not looked into. Reading never goes back by more than one tag.

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
    ("middot", '\u{b7}'),
    ("sup1", '\u{b9}'),
    ("sup2", '\u{b2}'),
    ("sup3", '\u{b3}'),
    ("rsquo", '\''),
    ("lsquo", '\''),
];

/// Names that HTML 5 (section 13.5) reads without a semicolon, except those of letters, and two dashes, which it shows as
/// they are written. None begins another.
const UNENDED: &[&str] = &[
    "AMP", "COPY", "GT", "LT", "QUOT", "REG", "acute", "amp", "brvbar", "cedil", "cent", "copy", "curren", "deg", "divide",
    "frac12", "frac14", "frac34", "gt", "iexcl", "iquest", "laquo", "lt", "macr", "mdash", "micro", "middot", "nbsp",
    "ndash", "not", "ordf", "ordm", "para", "plusmn", "pound", "quot", "raquo", "reg", "sect", "shy", "sup1", "sup2",
    "sup3", "times", "uml", "yen",
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
    /// All that is no value.
    names: Piece,
    values: Vec<Piece>,
    after: Characters<'a>,
}

impl<'a> Tag<'a> {
    /// Reads a tag after its `<`. It has no further `<`.
    fn read(mut here: Characters<'a>) -> Option<Self> {
        let names = Piece::new(Lines::Collapse);
        let mut tag = Self { name: String::new(), names, values: Vec::new(), after: here.clone() };
        let first = here.clone().next()?.0;
        if !first.is_alphabetic() && !matches!(first, '/' | '_' | ':' | '!') {
            return None;
        }
        let (mut named, mut equals, mut telling, mut last) = (false, false, false, ' ');
        loop {
            let before = here.clone();
            let (character, span) = here.next()?;
            let (mut read, mut span) = (character, narrow(&span));
            match character {
                '<' => return None,
                '>' => return Some(tag.ended(here, telling)),
                // As in HTML, a quote elsewhere is part of a name, and so is an equals sign in the name of the element.
                _ if equals && !character.is_whitespace() => {
                    tag.names.end_block(span.start);
                    let is_quote = matches!(character, '"' | '\'');
                    here = if is_quote { tag.value(here, Some(character)) } else { tag.value(before, None) }?;
                    equals = false;
                    continue;
                }
                '&' => {
                    if let Some((meant, after, end)) = reference(here.clone()) {
                        (read, span.end, here) = (meant, end, after);
                    }
                }
                _ => (),
            }
            named |= character.is_whitespace() || character == '/' && !tag.name.is_empty();
            equals = named && (character == '=' || equals);
            telling |= tells(last, read);
            last = read;
            tag.names.push(read, &span);
            if !named && tag.name.len() < 16 {
                tag.name.extend(character.to_lowercase());
            }
        }
    }

    fn ended(mut self, after: Characters<'a>, telling: bool) -> Self {
        if telling {
            self.values.push(std::mem::replace(&mut self.names, Piece::new(Lines::Collapse)));
        }
        Self { after, ..self }
    }

    /// Reads a value to its closing quote, or one without quotes, which only HTML has, to its end.
    fn value(&mut self, mut here: Characters<'a>, quote: Option<char>) -> Option<Characters<'a>> {
        let (mut piece, mut meant) = (Piece::new(Lines::Collapse), String::new());
        loop {
            let before = here.clone();
            let (character, span) = here.next()?;
            let (mut character, mut span) = (character, narrow(&span));
            if character == '<' {
                return None;
            }
            let closes = quote.map_or(character == '>' || character.is_whitespace(), |quote| character == quote);
            if closes {
                if meant != NAMESPACE {
                    self.values.push(piece);
                }
                return Some(if quote.is_some() { here } else { before });
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
    }
}

/// Whether a character of a name, after the `last`, may be of something that a detector looks for. Few tags have one, so
/// that few are read by the detectors.
fn tells(last: char, character: char) -> bool {
    let sign = matches!(character, '@' | '.' | '"' | '\'') || character == '/' && last == '/';
    sign || character.is_ascii_digit() || !character.is_ascii()
}

/// Reads a character reference after its `&`: what it stands for, what follows, and where it ends.
fn reference(here: Characters<'_>) -> Option<(char, Characters<'_>, u32)> {
    match skip(&here, "#") {
        Some(number) => numeric(number),
        None => named(here),
    }
}

/// Reads a reference by number. It needs no semicolon, since HTML reads it without.
fn numeric(mut here: Characters<'_>) -> Option<(char, Characters<'_>, u32)> {
    let hexadecimal = skip(&here, "x").or_else(|| skip(&here, "X"));
    let radix = if hexadecimal.is_some() { 16 } else { 10 };
    here = hexadecimal.unwrap_or(here);
    let (mut code, mut digits, mut end) = (0_u32, 0_usize, 0);
    let meant = |code: u32| match code {
        // A control character without a width in XML, a dash in HTML: what may be either.
        0x96 | 0x97 => '\u{ad}',
        _ => char::from_u32(code).unwrap_or('\u{fffd}'),
    };
    loop {
        let before = here.clone();
        let next = here.next();
        if let Some((';', span)) = next {
            return Some((if digits > 0 { meant(code) } else { '\u{fffd}' }, here, narrow(&span).end));
        }
        let Some((digit, span)) = next.and_then(|(next, span)| Some((next.to_digit(radix)?, span))) else {
            return (digits > 0).then(|| (meant(code), before, end));
        };
        code = code.saturating_mul(radix).saturating_add(digit);
        digits = digits.saturating_add(1);
        end = narrow(&span).end;
    }
}

/// Reads a reference by name. Without a semicolon it may be the beginning of a word, but not of the name of a parameter,
/// as in `?a=1&lt=2`.
fn named(mut here: Characters<'_>) -> Option<(char, Characters<'_>, u32)> {
    let (mut name, mut ahead) = (String::new(), here.clone());
    let meant = |name: &str| NAMED.iter().find(|(known, _)| *known == name).map(|found| found.1);
    let ended = loop {
        match ahead.next() {
            Some((';', span)) if !name.is_empty() => break Some(narrow(&span).end),
            Some(('=', _)) => return None,
            Some((next, _)) if next.is_ascii_alphanumeric() && name.len() < 32 => name.push(next),
            _ => break None,
        }
    };
    let unended = UNENDED.iter().find_map(|known| Some((*known, name.strip_prefix(known)?)));
    if let Some(end) = ended {
        // What has digits behind it, such as `&nbsp45;`, is no name of its own.
        let runs_on = unended.is_some_and(|(_, rest)| rest.starts_with(|next: char| next.is_ascii_digit()));
        if !runs_on {
            return Some((meant(&name).unwrap_or('\u{fffd}'), ahead, end));
        }
    }
    let (known, _) = unended?;
    let mut end = 0;
    for _ in known.chars() {
        end = narrow(&here.next()?.1).end;
    }
    Some((meant(known).unwrap_or('\u{fffd}'), here, end))
}
