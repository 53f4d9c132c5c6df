//! One request, judged value by value.

use std::borrow::Cow;
use std::rc::Rc;

use super::narrative;
use super::pack::{Compiled, DISGUISE, PLAIN_LENGTH, Pack, RuleSet, SPECIAL, Test, insert};
use super::rule::{Class, Target};
use super::settings::{Exemption, Mode, Settings};
use super::transform::Transform;

/// What a pass over a byte may cost, in all, for each byte of a request; and what any request may cost.
const WORK_PER_BYTE: u64 = 64;
const WORK_AT_LEAST: u64 = 512 << 10;

/// What a byte costs a detector, measured against one step of an automaton.
const SQLI_COST: u64 = 6;
const XSS_COST: u64 = 4;

/// Words longer than this are the same to libinjection, which knows none as long; shortened, they cost it less.
const LONGEST_WORD: usize = 40;

/// Values up to this length are looked at before it is asked what they are.
const SHORT: usize = 256;

/// The most findings that are kept of one request.
const MAX_FINDINGS: usize = 64;

/// A request needs more work than it may: it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("inspection is over its budget")]
pub struct OverBudget;

/// Where a value stands, for exemptions and results.
#[derive(Clone, Copy)]
pub enum Place<'p> {
    /// Nowhere by name.
    Unnamed,
    /// Under a name: of a parameter, a header, a cookie.
    Named(&'p str),
    /// At a path in a JSON body, which is asked for only when something was found.
    Json(&'p dyn JsonPlace),
}

/// A place in a JSON body.
pub trait JsonPlace {
    /// Whether it is at this path.
    fn is_at(&self, path: &super::path::JsonPath) -> bool;
    /// The path, for people.
    fn written(&self) -> String;
}

/// A rule that held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its id.
    pub rule: Rc<str>,
    /// What kind of attack it is about.
    pub class: Class,
    /// What it added.
    pub score: u32,
    /// What was judged.
    pub target: Target,
    /// Where, if the request's own names may be told: never in records.
    pub place: Option<String>,
}

/// What was found in a request so far.
pub struct Inspection<'s> {
    settings: &'s Settings,
    /// Whether places are kept.
    tells: bool,
    work: u64,
    budget: u64,
    score: u32,
    findings: Vec<Finding>,
}

/// A text as rules of a view see it, and which of all rules may hold for it.
#[derive(Clone)]
struct Shown<'t> {
    text: Rc<Cow<'t, [u8]>>,
    candidates: RuleSet,
}

impl<'t> Shown<'t> {
    fn new(text: Cow<'t, [u8]>, class: u16, target: Target, pack: &Pack) -> Self {
        let candidates = candidates(pack, &text, class, target);
        Self { text: Rc::new(text), candidates }
    }
}

/// A value that is being judged.
struct Judged<'v> {
    target: Target,
    place: Place<'v>,
    raw: &'v [u8],
    nature: &'v dyn Fn() -> Nature,
    known: Option<Nature>,
    score: u32,
}

impl Judged<'_> {
    fn nature(&mut self) -> Nature {
        *self.known.get_or_insert_with(self.nature)
    }
}

/// What a value is by definition, whatever it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// Anything.
    Text,
    /// An expression of a language that FHIR names.
    Code,
    /// XHTML.
    Narrative,
    /// Base64, if it is that.
    Base64,
}

impl Nature {
    fn spares(self, rule: &Compiled) -> bool {
        match self {
            Self::Text | Self::Base64 => false,
            Self::Code => rule.spares_code,
            Self::Narrative => rule.spares_markup || rule.rule.class == Class::Xss || matches!(rule.test, Test::Sqli),
        }
    }

    fn is_base64(self, text: &[u8]) -> bool {
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/= \t\r\n".contains(byte);
        self == Self::Base64 && text.iter().all(is_digit)
    }
}

impl<'s> Inspection<'s> {
    /// Begins with a request, or a part of it, of this many bytes.
    #[must_use]
    pub fn new(settings: &'s Settings, bytes: usize) -> Self {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let budget = bytes.saturating_mul(WORK_PER_BYTE).saturating_add(WORK_AT_LEAST);
        Self { settings, tells: false, work: 0, budget, score: 0, findings: Vec::new() }
    }

    /// Keeps where things were found, which are names that the client chose.
    #[must_use]
    pub fn telling(self) -> Self {
        Self { tells: true, ..self }
    }

    /// The score so far: that of the worst value.
    #[must_use]
    pub fn score(&self) -> u32 {
        self.score
    }

    /// Whether it is at the threshold.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.score >= self.settings.threshold
    }

    /// Whether nothing that is found from here on changes what becomes of the request, or is told of.
    pub(super) fn is_decided(&self) -> bool {
        !self.tells && self.settings.mode == Mode::Enforce && self.is_over()
    }

    /// What held so far.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What it has cost so far, and what it may cost, in bytes passed over.
    #[must_use]
    pub fn work(&self) -> (u64, u64) {
        (self.work, self.budget)
    }

    /// How much was found, to return to.
    pub(super) fn found(&self) -> (u32, usize) {
        (self.score, self.findings.len())
    }

    /// Forgets what was found since, but not what it cost.
    pub(super) fn return_to(&mut self, found: (u32, usize)) {
        self.score = found.0;
        self.findings.truncate(found.1);
    }

    /// Charges a pass over bytes.
    pub(super) fn charge(&mut self, bytes: usize, cost: u64) -> Result<(), OverBudget> {
        self.work = self.work.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(cost));
        if self.work > self.budget { Err(OverBudget) } else { Ok(()) }
    }

    /// Judges a value.
    pub fn value(&mut self, target: Target, place: Place<'_>, text: &[u8]) -> Result<(), OverBudget> {
        self.judge(target, place, text, &|| Nature::Text)
    }

    /// Judges a value, of which `nature` says what it is by definition: asked only where it matters.
    pub(super) fn judge(
        &mut self,
        target: Target,
        place: Place<'_>,
        text: &[u8],
        nature: &dyn Fn() -> Nature,
    ) -> Result<(), OverBudget> {
        // One more for each value: a million empty strings are work too.
        self.charge(text.len().saturating_add(1), 1)?;
        let pack = Rc::clone(&self.settings.pack);
        let class = class_of(&pack, text);
        if class & SPECIAL == 0 && text.len() < PLAIN_LENGTH && !pack.is_short_literal(text, target) {
            return Ok(());
        }
        let mut value = Judged { target, place, raw: text, nature, known: None, score: 0 };
        if text.len() > SHORT && value.nature().is_base64(text) {
            return Ok(());
        }
        self.charge(text.len(), 1)?;
        let first = Shown::new(Cow::Borrowed(text), class, target, &pack);
        if class & DISGUISE == 0 && !Transform::is_slashed(text) {
            // Every view shows the same.
            for rule in chosen(&pack, first.candidates) {
                self.try_rule(rule, text, &mut value)?;
            }
        } else {
            // What each view shows: its own text, or that of the view above where it changed nothing.
            let mut views: Vec<Shown<'_>> = Vec::with_capacity(pack.views.len());
            for (index, view) in pack.views.iter().enumerate() {
                let shown = match (view.parent.and_then(|parent| views.get(parent)), view.transform) {
                    (Some(above), Some(transform)) => match transform.apply(&above.text) {
                        Cow::Owned(after) => {
                            self.charge(after.len(), 2)?;
                            let class = class_of(&pack, &after);
                            Shown::new(Cow::Owned(after), class, target, &pack)
                        }
                        Cow::Borrowed(_) => above.clone(),
                    },
                    _ => first.clone(),
                };
                for rule in chosen(&pack, shown.candidates).filter(|rule| rule.view == index) {
                    self.try_rule(rule, &shown.text, &mut value)?;
                }
                views.push(shown);
            }
        }
        self.score = self.score.max(value.score);
        Ok(())
    }

    /// Runs a rule on a value as its view shows it.
    fn try_rule(&mut self, rule: &Compiled, shown: &[u8], value: &mut Judged<'_>) -> Result<(), OverBudget> {
        if rule.rule.level > self.settings.level {
            return Ok(());
        }
        let nature = value.nature();
        if nature.spares(rule) || nature.is_base64(value.raw) || self.is_exempt(rule, value.target, value.place) {
            return Ok(());
        }
        let holds = match &rule.test {
            Test::Literal => true,
            Test::Regex(pattern) => {
                self.charge(shown.len(), 1)?;
                pattern.is_match(shown)
            }
            Test::Sqli => {
                self.charge(shown.len(), SQLI_COST)?;
                libinjectionrs::detect_sqli(&condense(shown)).is_injection()
            }
            Test::Xss => {
                self.charge(shown.len(), XSS_COST)?;
                libinjectionrs::detect_xss(&condense(shown)).is_injection()
            }
            Test::Narrative(_) => false,
        };
        if holds {
            value.score = value.score.saturating_add(rule.rule.score);
            self.find(rule, value.target, value.place);
        }
        Ok(())
    }

    /// Judges an XHTML narrative: its markup by the list of what FHIR permits, its text by the rules.
    pub(super) fn narrative(&mut self, place: Place<'_>, text: &str) -> Result<(), OverBudget> {
        self.charge(text.len(), 2)?;
        let faults = narrative::faults(text);
        let pack = Rc::clone(&self.settings.pack);
        let mut score = 0_u32;
        for rule in &pack.rules {
            let Test::Narrative(fault) = rule.test else { continue };
            if faults.contains(fault) && !self.is_exempt(rule, Target::Json, place) {
                score = score.saturating_add(rule.rule.score);
                self.find(rule, Target::Json, place);
            }
        }
        self.score = self.score.max(score);
        self.judge(Target::Json, place, text.as_bytes(), &|| Nature::Narrative)
    }

    fn find(&mut self, rule: &Compiled, target: Target, place: Place<'_>) {
        let place = self.tells.then(|| match place {
            Place::Unnamed => None,
            Place::Named(name) => Some(name.to_owned()),
            Place::Json(place) => Some(place.written()),
        });
        let (class, score) = (rule.rule.class, rule.rule.score);
        let finding = Finding { rule: Rc::clone(&rule.id), class, score, target, place: place.flatten() };
        // Where places are not kept, a rule is named once for a kind of target.
        if self.findings.len() < MAX_FINDINGS && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn is_exempt(&self, rule: &Compiled, target: Target, place: Place<'_>) -> bool {
        let exempts = |exemption: &&Exemption| *exemption.rule == *rule.id && exemption.covers(target, place);
        self.settings.exemptions.iter().any(|exemption| exempts(&exemption))
    }
}

/// All that the bytes of a text are.
fn class_of(pack: &Pack, text: &[u8]) -> u16 {
    text.iter().fold(0, |classes, byte| classes | pack.classes.get(usize::from(*byte)).copied().unwrap_or(SPECIAL))
}

/// The rules that judge this target and of which something occurs.
fn candidates(pack: &Pack, text: &[u8], class: u16, target: Target) -> RuleSet {
    let mut found = RuleSet::default();
    for literal in pack.literals.find_overlapping_iter(text) {
        pack.owners.get(literal.pattern().as_usize()).into_iter().flatten().for_each(|rule| insert(&mut found, *rule));
    }
    for (gate, rules) in pack.gates.iter().enumerate() {
        if class & 2 << gate != 0 {
            rules.iter().for_each(|rule| insert(&mut found, *rule));
        }
    }
    let of_target = pack.of_target.get(target as usize).copied().unwrap_or_default();
    found.iter_mut().zip(of_target).for_each(|(found, judging)| *found &= judging);
    found
}

fn chosen(pack: &Pack, candidates: RuleSet) -> impl Iterator<Item = &Compiled> {
    let indices = (0..).zip(candidates).flat_map(|(word, mut bits): (usize, u64)| {
        std::iter::from_fn(move || {
            let bit = bits.trailing_zeros() as usize;
            bits = bits.checked_sub(1).map(|less| bits & less)?;
            Some(word * 64 + bit)
        })
    });
    indices.filter_map(|index| pack.rules.get(index))
}

/// The same text to libinjection with its long words cut: it takes time with the square of a word's dots.
fn condense(text: &[u8]) -> Cow<'_, [u8]> {
    let ends_word = |byte: u8| b" []{}<>:\\?=@!#~+-*/&|^%(),';\t\n\x0b\x0c\r\"\xa0\0".contains(&byte);
    let mut longest = 0;
    let mut length = 0_usize;
    for byte in text {
        length = if ends_word(*byte) { 0 } else { length + 1 };
        longest = longest.max(length);
    }
    if longest <= LONGEST_WORD {
        return Cow::Borrowed(text);
    }
    let mut length = 0_usize;
    let short = text.iter().copied().filter(|byte| {
        length = if ends_word(*byte) { 0 } else { length + 1 };
        length <= LONGEST_WORD
    });
    Cow::Owned(short.collect())
}
