//! What has to be known of an object's own members before the object is judged: what `having` asks for, how old an Age
//! says someone is, and which patient a resource is about.
//!
//! A Patient in a Bundle is the one that the entry's `fullUrl` names, since that is what references in the Bundle lead to
//! (R4, bundle.html#references); any other is the one of its `id`.
//!
//! The object is read ahead from its opening bracket to its end; where the end is farther than may be held back, it is
//! enough that all that was asked for was read. A patient that was not found by then is not known, which `shift_dates`
//! can live with.

use super::action::Action;
use super::age::{self, Age};
use super::error::Error;
use super::frame::Sought;
use super::place::Place;
use super::program::{ConditionId, DEAD, Position};
use super::redactor::{Redactor, Stream};
use super::reference::{id_in, type_in};
use super::scout::Truth;
use crate::fhir::ResourceType;
use crate::fhir::elements::Type;
use crate::json::{self, Token, unescape};

/// The members of a resource that say which patient it is about (R4, compartmentdefinition-patient.html), in those types
/// where there can be one alone.
const PATIENTS: &[&[u8]] = &[b"subject", b"patient", b"beneficiary", b"individual", b"for"];

/// What an object's members say. Each is as it was written, or unescaped where it is a string.
#[derive(Debug, Default)]
pub(super) struct AgeParts {
    pub(super) value: Option<String>,
    pub(super) comparator: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) system: Option<String>,
    pub(super) code: Option<String>,
}

impl AgeParts {
    /// What of the age may leave.
    pub(super) fn judge(&self) -> Age {
        let [value, comparator, unit, system, code] =
            [&self.value, &self.comparator, &self.unit, &self.system, &self.code].map(Option::as_deref);
        age::judge(value, comparator, unit, system, code)
    }

    fn part(&mut self, key: &[u8]) -> Option<&mut Option<String>> {
        match key {
            b"value" => Some(&mut self.value),
            b"comparator" => Some(&mut self.comparator),
            b"unit" => Some(&mut self.unit),
            b"system" => Some(&mut self.system),
            b"code" => Some(&mut self.code),
            _ => None,
        }
    }
}

/// What is being looked for, and in what.
#[derive(Debug)]
pub(super) struct Within {
    /// Where the object stands.
    position: Position,
    place: Place,
    /// The conditions whose member was not met yet, and those that the value to come is about.
    left: Vec<ConditionId>,
    noted: Vec<ConditionId>,
    /// What the patient is looked for in.
    patient_of: Option<PatientOf>,
    /// The member at hand, where an Age or a patient asks for its value; else empty.
    key: Vec<u8>,
    /// The member inside that one is `reference`.
    in_reference: bool,
}

/// What tells a patient.
#[derive(Clone, Copy, Debug)]
enum PatientOf {
    Resource(ResourceType),
    Entry,
}

/// What was found, until the object is judged.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) truths: Vec<(ConditionId, Truth)>,
    pub(super) age: AgeParts,
    pub(super) patient: Option<Box<str>>,
}

/// The id of the patient that a reference leads to, if it may be one and stands on its own.
fn patient_in(reference: &str) -> Option<&str> {
    let may_be = type_in(reference).is_none_or(|kind| kind.name() == "Patient") && !reference.starts_with('#');
    id_in(reference).filter(|_| may_be).and_then(|id| reference.get(id))
}

impl Redactor {
    /// Judges the object that just began, after reading ahead in it where that is asked for. Answers whether it was judged.
    pub(super) fn enter_object(&mut self, position: Position, place: Place, stream: &mut Stream<'_>) -> Result<(), Error> {
        let outer = if self.member.position.resource == position.resource { DEAD } else { self.member.position.resource };
        let patient_of = match place {
            // What a resource contains is about the same patient.
            Place::Resource(kind) if self.member.place != (Place::Slot { contained: true }) => {
                Some(PatientOf::Resource(kind))
            }
            Place::Entry => Some(PatientOf::Entry),
            _ => None,
        };
        let patient_of = patient_of.filter(|_| self.program.shifts);
        let states = [position.resource, position.root, outer].map(|state| self.program.automaton.state(state));
        if patient_of.is_none() && !states.iter().any(|state| state.asks_within) {
            return self.enter(true, position, place, stream);
        }
        let rules = states.iter().flat_map(|state| &state.verdicts).filter_map(|verdict| self.program.rule(verdict.rule));
        let left = rules.flat_map(|rule| rule.having.iter().copied()).collect();
        self.found = Found::default();
        let (noted, key, in_reference) = (Vec::new(), Vec::new(), false);
        self.begin_scout(Sought::Within(Within { position, place, left, noted, patient_of, key, in_reference }));
        Ok(())
    }

    /// Takes a token of an object that is read ahead; `depth` is that of its members.
    pub(super) fn look_within(
        &mut self,
        within: &mut Within,
        depth: usize,
        token: Token,
        stream: &Stream<'_>,
    ) -> Result<(), Error> {
        let inside = self.lexer.depth().saturating_sub(depth);
        match (inside, token) {
            (0, Token::Key) => return self.own_key(within, stream),
            (1, Token::Key) => within.in_reference = *self.key_text(stream) == *b"reference",
            (1, Token::BeginObject | Token::BeginArray) => self.note_truth(within, None),
            (0, Token::String | Token::Number | Token::True | Token::False | Token::Null) => {
                let raw = self.lexer.text(token, stream.data);
                self.note_truth(within, Some((token, raw)));
                self.note_own(within, token, raw);
            }
            (1, Token::String) if within.in_reference => self.note_reference(within, stream),
            _ => (),
        }
        Ok(())
    }

    fn own_key(&mut self, within: &mut Within, stream: &Stream<'_>) -> Result<(), Error> {
        let key = self.key_text(stream);
        let is_about = |id: &ConditionId| self.program.condition(*id).is_some_and(|known| *known.key == *key);
        if self.found.truths.iter().any(|(id, _)| is_about(id)) {
            return Err(json::Error::RepeatedKey.into());
        }
        within.noted.extend(within.left.extract_if(.., |id| is_about(id)));
        within.key.clear();
        if within.patient_of.is_some() || AgeParts::default().part(&key).is_some() {
            within.key.extend_from_slice(&key);
        }
        within.in_reference = false;
        Ok(())
    }

    fn note_truth(&mut self, within: &mut Within, scalar: Option<(Token, &[u8])>) {
        for id in within.noted.drain(..) {
            let Some(condition) = self.program.condition(id) else { continue };
            let truth = Truth::of(condition, scalar);
            self.found.truths.push((id, truth));
        }
    }

    /// A member's own scalar, where an Age or a Patient's `id` asks for it.
    fn note_own(&mut self, within: &mut Within, token: Token, raw: &[u8]) {
        if within.key.is_empty() || !matches!(token, Token::String | Token::Number) {
            return;
        }
        let key = within.key.as_slice();
        let text = String::from_utf8_lossy(&unescape(raw)).into_owned();
        let patient = match within.patient_of {
            Some(PatientOf::Resource(kind)) if kind.name() == "Patient" && key == b"id" => Some(text.as_str()),
            Some(PatientOf::Entry) if key == b"fullUrl" => patient_in(&text),
            _ => None,
        };
        if let Some(patient) = patient {
            self.found.patient = Some(patient.into());
        } else if let Some(part) = self.found.age.part(key) {
            *part = Some(text);
        }
    }

    fn note_reference(&mut self, within: &mut Within, stream: &Stream<'_>) {
        within.in_reference = false;
        let Some(PatientOf::Resource(kind)) = within.patient_of else { return };
        let is_asked = kind.name() != "Patient" && PATIENTS.contains(&within.key.as_slice());
        // What R4 does not have there may name anybody.
        let name = std::str::from_utf8(&within.key).ok().filter(|_| is_asked);
        if name.is_none_or(|name| Type::of_resource(kind).is_none_or(|of| of.element(name).is_none())) {
            return;
        }
        let text = String::from_utf8_lossy(&unescape(self.lexer.text(Token::String, stream.data))).into_owned();
        if let Some(patient) = patient_in(&text) {
            self.found.patient = Some(patient.into());
        }
    }

    /// Whether the patient was all that was looked for, and is known: whatever else is asked is asked to the object's end.
    pub(super) fn has_found(&self, within: &Within) -> bool {
        self.found.patient.is_some() && self.is_enough_within(within) && self.found.truths.is_empty()
    }

    /// All was read that could be.
    pub(super) fn looked_within(&mut self, within: &Within, stream: &mut Stream<'_>) -> Result<(), Error> {
        let Within { position, place, .. } = within;
        if matches!(within.patient_of, Some(PatientOf::Entry)) {
            self.entry_patient = self.found.patient.take();
        }
        let entered = self.enter(true, *position, *place, stream);
        self.found = Found::default();
        entered
    }

    /// Whether the object can be judged although it did not end within what may be held back.
    pub(super) fn is_enough_within(&self, within: &Within) -> bool {
        let asks_age = |state| {
            let verdicts = &self.program.automaton.state(state).verdicts;
            verdicts
                .iter()
                .any(|verdict| matches!(self.program.rule(verdict.rule).map(|rule| &rule.action), Some(Action::AgeCap)))
        };
        within.left.is_empty()
            && within.noted.is_empty()
            && !asks_age(within.position.resource)
            && !asks_age(within.position.root)
    }
}
