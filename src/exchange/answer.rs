//! The answer: judged by its head, then streamed through the redactor.
//!
//! What applies was decided with the request ([`Plan`]). Where nothing is to be redacted and every type is granted, the
//! answer passes untouched. Otherwise its head is held until the first redacted byte is there; then bytes leave as they
//! come, and at no time is more of the body here than the redactor has to hold back.
//!
//! An encoded answer is decoded on its way into the redactor and leaves in clear. So it does where nothing is redacted
//! but types are granted: a compressed piece could not leave in part, and the part that the redactor still holds back
//! would leave with it.
//!
//! Envoy's own errors (no healthy upstream, a time-out, a rate limit) hold nothing of the upstream's and pass. Whatever
//! else did not come straight from the upstream, such as an answer out of a cache, is judged as if it had.

use std::rc::Rc;
use std::time::Duration;

use super::answer_head;
use super::effect::{Effects, Next};
use super::reason::{Reason, Rule};
use super::reply::Reply;
use super::{Exchange, Host, ReadBody, Stage};
use crate::audit::Record;
use crate::fhir::TypeSet;
use crate::http::{Coding, DecodeError, Decoder, Headers, JsonLayout, MediaType, decode};
use crate::redact::{self, Format, Options, Program, Redactor};

/// What an answer has to be, decided before the request was sent on.
pub(super) struct Plan {
    /// The profile that applies; none is the full view.
    pub(super) profile: Option<(Rc<str>, Rc<Program>)>,
    /// What holds narratives to what may be shown, behind the profile.
    pub(super) narratives: Option<Rc<Program>>,
    /// The resource types that the answer may hold; none is all.
    pub(super) granted: Option<TypeSet>,
    /// The path of the FHIR base, on `fhir` routes.
    pub(super) base: Option<String>,
    /// Media types let through unseen.
    pub(super) unredacted: Rc<[String]>,
    /// Header names that pass beside the built-in list.
    pub(super) headers: Rc<[String]>,
    /// How much an encoded answer may become.
    pub(super) decode: decode::Limits,
    /// The name that Envoy's route must still have.
    pub(super) envoy_route: Option<String>,
    /// How long the head may be held.
    pub(super) timeout: Duration,
    /// Whether what would be done is only recorded.
    pub(super) shadow: bool,
}

impl Plan {
    /// Whether the answer has to be looked into.
    pub(super) fn is_guarded(&self) -> bool {
        self.changes_body() || self.granted.is_some()
    }

    /// Whether the body may leave as another than it came.
    fn changes_body(&self) -> bool {
        self.profile.is_some() || self.narratives.is_some()
    }

    /// The programs that the body goes through, one behind the other.
    fn programs(&self) -> Vec<Rc<Program>> {
        let profile = self.profile.as_ref().map(|(_, program)| program);
        let programs: Vec<_> = profile.into_iter().chain(&self.narratives).map(Rc::clone).collect();
        if programs.is_empty() { vec![Rc::new(Program::pass())] } else { programs }
    }
}

/// An answer under way.
pub(super) struct Answer {
    plan: Plan,
    body: Body,
    /// Takes the content coding off, where there is one.
    decoder: Option<Box<Decoder>>,
    status: u16,
    retry_after: Option<Vec<u8>>,
    /// Whether the client has seen any of it.
    left: bool,
    unseen: bool,
    is_empty: bool,
}

enum Body {
    /// The head has not come, or is no business of ours.
    Passing,
    /// Bytes go through the redactors, one behind the other.
    Redacting(Vec<Redactor>),
}

impl Answer {
    pub(super) fn new(plan: Plan) -> Self {
        let (body, decoder) = (Body::Passing, None);
        Self { plan, body, decoder, status: 0, retry_after: None, left: false, unseen: false, is_empty: true }
    }

    pub(super) fn has_left(&self) -> bool {
        self.left
    }

    pub(super) fn is_shadow(&self) -> bool {
        self.plan.shadow
    }

    pub(super) fn held_bytes(&self) -> usize {
        let redactor = match &self.body {
            Body::Redacting(redactors) => redactors.iter().map(Redactor::held_bytes).sum(),
            Body::Passing => 0_usize,
        };
        redactor.saturating_add(self.decoder.as_ref().map_or(0, |decoder| decoder.held_bytes()))
    }

    /// The status of an answer that was an error already: it stays, so that 429 and 503 still back clients off.
    pub(super) fn error_status(&self) -> Option<u16> {
        (self.status >= 400).then_some(self.status)
    }

    pub(super) fn keep_retry_after(&self, mut reply: Reply) -> Reply {
        if let (Some(value), true) = (&self.retry_after, reply.status == self.status) {
            reply.headers.push(("retry-after", value.clone()));
        }
        reply
    }

    /// The redaction rules that were used, by their pointers in the policy.
    pub(super) fn used_rules(&self) -> Vec<String> {
        match (&self.body, &self.plan.profile) {
            (Body::Redacting(redactors), Some((_, program))) => {
                redactors.first().map_or_else(Vec::new, |redactor| used_rules(program, redactor))
            }
            _ => Vec::new(),
        }
    }

    /// Says in a record what was done.
    pub(super) fn describe(&self, record: &mut Record) {
        record.profile = self.plan.profile.as_ref().map(|(name, _)| Rc::clone(name));
        record.unredacted_media_type = self.unseen;
        let Body::Redacting(redactors) = &self.body else { return };
        record.redacted = redactors.iter().map(|redactor| redactor.summary().changed()).sum();
    }

    fn judge_head(&mut self, head: &Headers, end: bool, host: &Host<'_>) -> Result<Effects, Reason> {
        if let Some(name) = &self.plan.envoy_route
            && host.facts.envoy_route().as_ref() != Some(name)
        {
            return Err(Rule::RouteChanged.into());
        }
        self.status = answer_head::status(head).ok_or(Rule::AnswerStatus)?;
        if !self.plan.is_guarded() || (self.status >= 400 && !host.facts.is_from_upstream()) {
            self.left = true;
            return Ok(Effects::default());
        }
        self.retry_after = head.first("retry-after").map(<[u8]>::to_vec);
        if self.status < 200 || self.status == 206 {
            return Err(Rule::AnswerStatus.into());
        }
        let coding = Coding::of(head);
        let mut changes = match coding {
            _ if self.plan.changes_body() => answer_head::changes(head, &self.plan),
            Ok(Some(_)) => answer_head::in_clear(head),
            // What is only looked into leaves as it came, and so does its head.
            Ok(None) | Err(_) => Vec::new(),
        };
        if !self.plan.changes_body() {
            changes.extend(answer_head::inert());
        }
        let mut effects = Effects { changes, ..Effects::default() };
        if end {
            self.left = true;
        } else if let Some(format) = self.format_of_body(head, coding)? {
            let options = Options { granted: self.plan.granted, now: Some(host.now()), ..Options::new(format) };
            let redactor = |program| Redactor::new(program, options);
            self.body = Body::Redacting(self.plan.programs().into_iter().map(redactor).collect());
            let decoder = |coding| Box::new(Decoder::new(coding, self.plan.decode));
            self.decoder = coding.ok().flatten().map(decoder);
            effects.next = Next::Hold(self.plan.timeout);
        } else {
            self.left = true;
            self.unseen = true;
        }
        Ok(if self.plan.shadow { Effects::default() } else { effects })
    }

    /// How to read what follows the head. After 204 and 304 it must be nothing (RFC 9110 section 6.4.1), which needs no
    /// type; HTTP/2 may end such an answer with an empty frame.
    fn format_of_body(
        &self,
        head: &Headers,
        coding: Result<Option<Coding>, DecodeError>,
    ) -> Result<Option<Format>, Reason> {
        if matches!(self.status, 204 | 304) {
            return Ok(Some(Format::Json));
        }
        match (coding?, self.format(head)?) {
            // Nothing would take the coding off, and the head no longer says that it is there.
            (Some(_), None) => Err(Rule::AnswerEncoding.into()),
            (_, format) => Ok(format),
        }
    }

    /// How the body is to be read; `None` when the policy lets it through unseen.
    fn format(&self, head: &Headers) -> Result<Option<Format>, Reason> {
        let value = head.single("content-type").ok().flatten().ok_or(Rule::AnswerMediaType)?;
        let media_type = MediaType::parse(value).map_err(|_| Rule::AnswerMediaType)?;
        // Rules on FHIR paths take effect in resources alone: what is read as plain JSON would escape them.
        let asks_for_fhir = self.plan.profile.as_ref().is_some_and(|(_, program)| program.needs_fhir());
        let fhir = asks_for_fhir || self.plan.base.is_some() || media_type.essence().starts_with("application/fhir+");
        match media_type.json() {
            Some(JsonLayout::Document) => Ok(Some(if fhir { Format::FhirJson } else { Format::Json })),
            Some(JsonLayout::Lines) => Ok(Some(Format::FhirNdjson)),
            None if self.plan.unredacted.iter().any(|listed| *listed == media_type.essence()) => Ok(None),
            None => Err(Rule::AnswerMediaType.into()),
        }
    }

    fn write(&mut self, size: usize, end: bool, read: ReadBody<'_>) -> Result<Effects, Reason> {
        let Body::Redacting(redactors) = &mut self.body else { return Ok(Effects::default()) };
        let chunk = if size > 0 { read().ok_or(Rule::Internal)? } else { Vec::new() };
        // What was not read must not stay in the host's buffer.
        if chunk.len() != size {
            return Err(Rule::Internal.into());
        }
        let mut out = Vec::with_capacity(chunk.len());
        let mut redact = |piece: &[u8]| {
            self.is_empty &= piece.is_empty();
            write_through(redactors, piece, &mut out)
        };
        match &mut self.decoder {
            Some(decoder) => decoder.write(&chunk, redact)?,
            None => redact(&chunk)?,
        }
        if end {
            self.finish()?;
        }
        if self.plan.shadow {
            return Ok(Effects::default());
        }
        // The status leaves with the first byte, so it waits for one.
        let next = if out.is_empty() && !self.left && !end { Next::Hold(self.plan.timeout) } else { Next::Continue };
        self.left |= next == Next::Continue;
        // Handing the host what it has is a copy for nothing.
        let body = (out != chunk).then_some(out);
        Ok(Effects { body, next, ..Effects::default() })
    }

    /// Checks that the body is whole.
    fn finish(&mut self) -> Result<(), Reason> {
        if let Some(decoder) = &self.decoder {
            decoder.finish()?;
        }
        match &mut self.body {
            // What has no bytes has nothing to redact: HTTP/2 ends many an empty answer with an empty frame.
            Body::Redacting(redactors) if !self.is_empty => {
                redactors.iter_mut().try_for_each(Redactor::finish).map_err(reason)
            }
            Body::Redacting(_) | Body::Passing => Ok(()),
        }
    }

    fn finish_at_trailers(&mut self) -> Result<Effects, Reason> {
        if !self.plan.is_guarded() || self.plan.shadow {
            return Ok(Effects::default());
        }
        self.finish()?;
        self.left = true;
        Ok(Effects { drop_trailers: true, ..Effects::default() })
    }
}

/// For explanations. Not part of the module for Envoy.
#[cfg(not(target_family = "wasm"))]
impl Answer {
    /// Whether the body goes through redactors, which from now on tell what their rules touch.
    fn traced(&mut self) -> bool {
        match &mut self.body {
            Body::Redacting(redactors) => {
                redactors.iter_mut().for_each(Redactor::trace);
                true
            }
            Body::Passing => false,
        }
    }

    /// What the rules of each program have touched since this was asked last.
    fn touches(&mut self) -> Vec<(Rc<Program>, Vec<redact::Touch>)> {
        match &mut self.body {
            Body::Redacting(redactors) => {
                self.plan.programs().into_iter().zip(redactors.iter_mut().map(Redactor::touches)).collect()
            }
            Body::Passing => Vec::new(),
        }
    }
}

/// Writes a piece into the first of some redactors, and what each lets out into the next.
fn write_through(redactors: &mut [Redactor], piece: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
    match redactors {
        [] => Err(Rule::Internal.into()),
        [last] => last.write(piece, out).map_err(reason),
        [first, rest @ ..] => {
            let mut between = Vec::with_capacity(piece.len());
            let written = first.write(piece, &mut between).map_err(reason);
            // What the first had proven before it failed is nothing that has to leave.
            written.and_then(|()| write_through(rest, &between, out))
        }
    }
}

/// The rules that a redactor has used, by their pointers in the policy.
pub(super) fn used_rules(program: &Program, redactor: &Redactor) -> Vec<String> {
    let counted = program.rules().zip(&redactor.summary().rules);
    counted.filter(|(_, count)| **count > 0).map(|(pointer, _)| pointer.to_owned()).collect()
}

/// What the redactor's error means for the client.
fn reason(error: redact::Error) -> Reason {
    use crate::json::Error as Json;
    use redact::Error;
    match error {
        Error::Malformed(Json::TooDeep | Json::TooManyKeys | Json::LongKey | Json::LongString | Json::LongNumber) => {
            Rule::AnswerLimit
        }
        Error::Malformed(_) | Error::RootScalar | Error::Ended => Rule::AnswerMalformed,
        Error::HoldBack | Error::LongString => Rule::AnswerLimit,
        Error::TypeNotGranted => Rule::AnswerTypeNotGranted,
        Error::NotResource | Error::MisplacedResource | Error::Emptied => Rule::AnswerNotFhir,
        Error::ModifierTaken => Rule::AnswerModifier,
        Error::Narrative => Rule::AnswerNarrative,
    }
    .into()
}

impl Exchange {
    /// Whether the answer passes untouched, so that a shell need not tell of it. Asked when any of it comes.
    pub fn lets_answer_pass(&mut self) -> bool {
        match &mut self.stage {
            Stage::Sent(answer) if !answer.plan.is_guarded() && answer.plan.envoy_route.is_none() => {
                answer.left = true;
                true
            }
            _ => false,
        }
    }

    /// The answer's head has come.
    pub fn answer_head(&mut self, read: &dyn Fn() -> Option<Headers>, end: bool, host: &Host<'_>) -> Effects {
        if self.lets_answer_pass() {
            told!(self, answer_passes());
            return Effects::default();
        }
        let Stage::Sent(answer) = &mut self.stage else { return Effects::default() };
        let judged = match read() {
            Some(head) => {
                let judged = answer.judge_head(&head, end, host);
                told!(self, answer_head(&head, answer.traced(), judged.as_ref().err().copied()));
                judged
            }
            None => Err(Rule::Internal.into()),
        };
        judged.unwrap_or_else(|reason| self.refuse_answer(reason))
    }

    /// A part of the answer's body has come.
    pub fn answer_body(&mut self, size: usize, end: bool, read: ReadBody<'_>) -> Effects {
        match &mut self.stage {
            Stage::Sent(answer) => {
                let written = answer.write(size, end, read);
                told!(self, answer_body(answer.touches(), written.as_ref().err().copied()));
                written.unwrap_or_else(|reason| self.refuse_answer(reason))
            }
            // It was broken off and comes all the same.
            Stage::Broken => Effects::reset(),
            Stage::Start | Stage::Waiting(_) | Stage::Body(_) | Stage::Shadow | Stage::Replied => Effects::default(),
        }
    }

    /// The answer's trailers have come: its body is whole.
    pub fn answer_trailers(&mut self) -> Effects {
        match &mut self.stage {
            Stage::Sent(answer) => answer.finish_at_trailers().unwrap_or_else(|reason| self.refuse_answer(reason)),
            Stage::Broken => Effects::reset(),
            Stage::Start | Stage::Waiting(_) | Stage::Body(_) | Stage::Shadow | Stage::Replied => Effects::default(),
        }
    }
}
