//! Detectors: what tells who someone is, found inside text and masked where it stands.
//!
//! 1. A text is unescaped and normalised ([`text`]), so that no escape, no look-alike and no character without a width
//!    hides anything; of a narrative each visible and each hidden text is read ([`xhtml`]).
//! 2. Each detector reads it on its own. Numbers begin and end at the edge of a word; those with a check digit have to
//!    have the right one; those that look like anything else (nine digits, a bare ZIP code, seven digits of a telephone
//!    number) count only after a word that announces them.
//! 3. Matches that overlap become one, with the mask of the one that stands first in [`KNOWN`].
//! 4. What no match covers is copied as it was written.
//!
//! Reading is linear in the text. Detection is best effort: names, and what is spelt out or split in other ways, stay.
//! Nothing of a text is ever logged or shown.

mod cursor;
mod date;
mod look_alike;
mod network;
mod numbers;
mod pattern;
mod phone;
mod text;
mod xhtml;

use std::fmt;
use std::ops::Range;

use regex::bytes::Regex;

use self::text::{Lines, Piece, Text};
use crate::json::{Characters, Error};
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model::{Configured, Detector, DetectorName, MrnOptions, ScanOptions};

/// Finds a match around a place of a normalised text, in time that does not depend on its length.
type Find = fn(&[u8], usize) -> Option<Range<usize>>;

/// A detector that is built in.
struct Known {
    name: DetectorName,
    text: &'static str,
    mask: &'static str,
    find: Find,
}

/// Every detector, by precedence: first what may hold others, then by how sure a match is.
const KNOWN: &[Known] = &[
    Known { name: DetectorName::Url, text: "url", mask: "[URL]", find: network::url },
    Known { name: DetectorName::Email, text: "email", mask: "[EMAIL]", find: network::email },
    Known { name: DetectorName::Mrn, text: "mrn", mask: "[MRN]", find: numbers::mrn },
    Known { name: DetectorName::UsSsn, text: "us_ssn", mask: "[SSN]", find: numbers::us_ssn },
    Known { name: DetectorName::Mbi, text: "mbi", mask: "[MBI]", find: numbers::mbi },
    Known { name: DetectorName::PaymentCard, text: "payment_card", mask: "[CARD]", find: numbers::payment_card },
    Known { name: DetectorName::Npi, text: "npi", mask: "[NPI]", find: numbers::npi },
    Known { name: DetectorName::Ip, text: "ip", mask: "[IP]", find: network::ip },
    Known { name: DetectorName::Date, text: "date", mask: "[DATE]", find: date::date },
    Known { name: DetectorName::Phone, text: "phone", mask: "[PHONE]", find: phone::phone },
    Known { name: DetectorName::UsZip, text: "us_zip", mask: "[ZIP]", find: numbers::us_zip },
];

/// Detectors, ready to read.
pub(super) struct Detectors(Vec<Ready>);

struct Ready {
    /// Its index in [`KNOWN`].
    rank: usize,
    known: &'static Known,
    /// What it looks for instead of what it knows.
    pattern: Option<Regex>,
}

/// One thing found: what of the source it covers, in order.
struct Match {
    rank: usize,
    sources: Vec<Range<usize>>,
}

/// A part of the source to write over.
struct Edit {
    source: Range<usize>,
    /// What is written; nothing when it belongs to the edit before.
    mask: &'static str,
}

impl Detectors {
    /// Makes detectors ready. `at` is the list in the policy; what is wrong with it is in `report`, and the detectors
    /// count only when that has no errors.
    #[must_use]
    pub(super) fn compile(options: &ScanOptions, at: &Node, report: &mut Report) -> Self {
        let ScanOptions(detectors) = options;
        if detectors.is_empty() {
            report
                .error(at, Code::InvalidValue, "there is nothing to look for")
                .help("name a detector, such as \"us_ssn\"");
        }
        let mut ready = Vec::new();
        for (index, detector) in detectors.iter().enumerate() {
            let node = at.item(index);
            if detectors.iter().take(index).any(|earlier| earlier == detector) {
                report.error(node, Code::DuplicateName, "this detector stands twice").help("keep one");
            }
            ready.extend(Ready::new(detector, node, report));
        }
        Self(ready)
    }

    /// Writes the masked form of a string, with quotes; `raw` is what stands between its quotes. Says how many matches it
    /// masked; when there are none nothing is written.
    pub(super) fn write(&self, raw: &[u8], out: &mut Vec<u8>) -> Result<u32, Error> {
        if self.cannot_match(raw) {
            return Ok(0);
        }
        let mut piece = Piece::new(Lines::Matter);
        for (character, span) in readable(raw)? {
            piece.push(character, &xhtml::narrow(&span));
        }
        Ok(self.mask(raw, &[piece], false, out))
    }

    /// Writes the masked form of a string that is XHTML, such as `Narrative.div`, as [`Self::write`] does. It is
    /// well-formed if it was, unless a name was what was masked.
    pub(super) fn write_xhtml(&self, raw: &[u8], out: &mut Vec<u8>) -> Result<u32, Error> {
        readable(raw)?;
        Ok(self.mask(raw, &xhtml::pieces(raw)?, true, out))
    }

    /// Whether a text has nothing that any detector begins with, which most have not.
    fn cannot_match(&self, raw: &[u8]) -> bool {
        let begins = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'@' | b'\\' | b'/' | 0x80..);
        let is_host = |text: &[u8]| text.eq_ignore_ascii_case(b"www.");
        self.0.iter().all(|ready| ready.pattern.is_none()) && !raw.iter().any(begins) && !raw.windows(4).any(is_host)
    }

    fn mask(&self, raw: &[u8], pieces: &[Piece], is_xhtml: bool, out: &mut Vec<u8>) -> u32 {
        let mut count = 0_u32;
        let mut edits: Vec<Edit> = Vec::new();
        for piece in pieces {
            let mut found = Vec::new();
            piece.texts().for_each(|text| self.0.iter().for_each(|ready| ready.find(text, &mut found)));
            for Match { rank, sources } in merged(found) {
                count = count.saturating_add(1);
                let mut mask = KNOWN.get(rank).map_or("[MASKED]", |known| known.mask);
                edits.extend(sources.into_iter().map(|source| Edit { source, mask: std::mem::take(&mut mask) }));
            }
        }
        if count > 0 {
            edits.sort_by_key(|edit| edit.source.start);
            write_edits(raw, &edits, is_xhtml, out);
        }
        count
    }
}

/// The characters of a string whose places fit what a text keeps of them.
fn readable(raw: &[u8]) -> Result<Characters<'_>, Error> {
    u32::try_from(raw.len()).map_err(|_| Error::LongString)?;
    Characters::new(raw)
}

/// Matches of one piece in order, those that overlap as one.
fn merged(mut found: Vec<Match>) -> Vec<Match> {
    let start = |found: &Match| found.sources.first().map_or(0, |source| source.start);
    let end = |found: &Match| found.sources.last().map_or(0, |source| source.end);
    found.sort_by_key(start);
    let mut all: Vec<Match> = Vec::with_capacity(found.len());
    for next in found {
        match all.last_mut().filter(|last| start(&next) < end(last)) {
            Some(last) => last.join(next),
            None => all.push(next),
        }
    }
    all
}

impl Match {
    fn join(&mut self, other: Self) {
        self.rank = self.rank.min(other.rank);
        for source in other.sources {
            // Runs of both end at the same tags, so that one overlaps no more than one, and new ones come last.
            let index = self.sources.partition_point(|own| own.end < source.start);
            match self.sources.get_mut(index) {
                Some(own) => *own = own.start.min(source.start)..own.end.max(source.end),
                None => self.sources.push(source),
            }
        }
    }
}

fn write_edits(raw: &[u8], edits: &[Edit], is_xhtml: bool, out: &mut Vec<u8>) {
    let mut copied = 0;
    out.reserve(raw.len());
    out.push(b'"');
    for Edit { source, mask } in edits {
        out.extend_from_slice(raw.get(copied..source.start).unwrap_or_default());
        out.extend_from_slice(mask.as_bytes());
        copied = source.end;
        // XML lets no text have `]]>`, which the bracket of a mask could complete.
        let rest = raw.get(copied..).unwrap_or_default();
        if is_xhtml && !mask.is_empty() && (rest.starts_with(b"]") || rest.starts_with(b"\\u005")) {
            out.push(b' ');
        }
    }
    out.extend_from_slice(raw.get(copied..).unwrap_or_default());
    out.push(b'"');
}

impl Ready {
    fn new(detector: &Detector, at: &Node, report: &mut Report) -> Option<Self> {
        let (name, pattern) = match detector {
            Detector::Named(name) => (*name, None),
            Detector::Configured(Configured { mrn: MrnOptions { pattern } }) => (DetectorName::Mrn, pattern.as_deref()),
        };
        let (rank, known) = KNOWN.iter().enumerate().find(|(_, known)| known.name == name)?;
        let pattern = match pattern {
            Some(pattern) => Some(pattern::compile(pattern, at.key("mrn").key("pattern"), report)?),
            None => None,
        };
        Some(Self { rank, known, pattern })
    }

    fn find(&self, text: &Text, found: &mut Vec<Match>) {
        let mut add = |matched: Range<usize>| {
            let sources: Vec<_> = text.sources(&matched).collect();
            if !sources.is_empty() {
                found.push(Match { rank: self.rank, sources });
            }
        };
        if let Some(pattern) = &self.pattern {
            return pattern.find_iter(&text.bytes).for_each(|found| add(found.range()));
        }
        let mut at = 0;
        while at < text.bytes.len() {
            let matched = (self.known.find)(&text.bytes, at);
            at = matched.as_ref().map_or(0, |matched| matched.end).max(at.saturating_add(1));
            matched.into_iter().for_each(&mut add);
        }
    }
}

impl fmt::Debug for Detectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|ready| ready.known.text)).finish()
    }
}

#[cfg(test)]
mod tests;
