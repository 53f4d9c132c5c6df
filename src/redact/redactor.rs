//! The redactor of one answer: pieces in, what may leave out.

use std::rc::Rc;

use super::draft::Draft;
use super::error::Error;
use super::frame::{Enclosing, Frame, Member, Skip, Task};
use super::place::{Place, RESOURCE_TYPE};
use super::program::{ConditionId, Program};
use super::recent::Recent;
use super::scout::Facts;
use super::summary::Summary;
use super::trace::Trace;
use super::within::Found;
use crate::fhir::TypeSet;
use crate::json::{Framing, Lexer, Limits, SeenKeys, Skipped, Token};

/// Room for input that is kept from piece to piece.
const KEPT: usize = 4 << 10;

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object or array.
    Json,
    /// One JSON object or array a line.
    Ndjson,
    /// One FHIR resource.
    FhirJson,
    /// One FHIR resource a line.
    FhirNdjson,
}

impl Format {
    /// Whether it holds resources.
    #[must_use]
    pub fn is_fhir(self) -> bool {
        matches!(self, Self::FhirJson | Self::FhirNdjson)
    }

    /// Whether each line is a text of its own.
    #[must_use]
    pub fn is_lines(self) -> bool {
        matches!(self, Self::Ndjson | Self::FhirNdjson)
    }
}

/// How an answer is read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What it is.
    pub format: Format,
    /// In FHIR, the resource types that may leave; all when absent. Bundle, OperationOutcome and contained resources
    /// may always, while Parameters needs a grant.
    pub granted: Option<TypeSet>,
    /// Limits on its form. `max_string` binds only strings that an action has to see whole: a narrative that is scanned, say.
    pub limits: Limits,
    /// How much may be held back, in bytes.
    pub hold_back: usize,
    /// The time, in seconds since 1970 (UTC), by which ages are judged. Where nobody knows it, dates are removed that an
    /// action would make less exact.
    pub now: Option<i64>,
}

impl Options {
    /// The limits that stand where nothing else is said.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let hold_back = 256 << 10;
        let limits = Limits { max_string: hold_back, ..Limits::default() };
        Self { format, granted: None, limits, hold_back, now: None }
    }
}

/// The redactor of one answer. See the documentation of [`redact`](super).
pub struct Redactor {
    pub(super) program: Rc<Program>,
    pub(super) options: Options,
    pub(super) lexer: Lexer,
    pub(super) draft: Draft,
    /// The text around the root, and the open containers that rules can reach.
    pub(super) frames: Vec<Frame>,
    /// How many of them have something that stays, so that their opening brackets have left. They are the first ones.
    pub(super) opened: usize,
    pub(super) member: Member,
    pub(super) task: Task,
    /// A string that leaves, or does not, while it is read.
    pub(super) streamed: Option<bool>,
    /// The root, or that of this line, has ended.
    pub(super) root_ended: bool,
    /// Nothing of this line leaves.
    pub(super) line_lost: bool,
    pub(super) seen: SeenKeys,
    pub(super) facts: Facts,
    /// What is known of the object that is about to be judged, from its own members.
    pub(super) found: Found,
    /// The patient that the entry at hand says its resource is.
    pub(super) entry_patient: Option<Box<str>>,
    /// The open resources, innermost last.
    pub(super) resources: Vec<Enclosing>,
    /// The conditions that the value that comes is about.
    pub(super) noted: Vec<ConditionId>,
    pub(super) summary: Summary,
    pub(super) recent: Recent,
    /// What an action writes, for a moment.
    pub(super) written: Vec<u8>,
    pub(super) trace: Option<Box<Trace>>,
    /// Input that is not done with.
    held: Vec<u8>,
    /// Output of resources that may still go.
    kept_back: Vec<u8>,
    end: Option<Error>,
}

/// The input at hand and the output.
pub(super) struct Stream<'a> {
    pub(super) data: &'a [u8],
    pub(super) out: &'a mut Vec<u8>,
    /// From where on `out` is ours.
    pub(super) kept: usize,
}

impl Redactor {
    /// A redactor at the beginning of an answer.
    #[must_use]
    pub fn new(program: Rc<Program>, options: Options) -> Self {
        let Options { format, granted: _, limits, hold_back, now: _ } = options;
        let place = if format.is_fhir() { Place::Slot { contained: false } } else { Place::Elsewhere };
        let position = program.automaton.root();
        let member = Member {
            start: None,
            key: 0,
            position,
            place,
            names_type: false,
            is_twin: false,
            is_reference: false,
            is_modifier: false,
            is_required: false,
            twin_of: None,
            is_instant: false,
            is_markup: false,
        };
        Self {
            summary: Summary::new(&program),
            trace: None,
            program,
            options,
            lexer: Lexer::new(limits, if format.is_lines() { Framing::Lines } else { Framing::One }),
            draft: Draft::default(),
            frames: vec![Frame::base(position, place)],
            opened: 1,
            member,
            task: Task::Walk,
            streamed: None,
            root_ended: false,
            line_lost: false,
            seen: SeenKeys::new(limits.max_keys, hold_back),
            facts: Facts::default(),
            found: Found::default(),
            entry_patient: None,
            resources: Vec::new(),
            noted: Vec::new(),
            recent: Recent::default(),
            written: Vec::new(),
            held: Vec::new(),
            kept_back: Vec::new(),
            end: None,
        }
    }

    /// Takes the next piece and appends what may leave to `out`. After an error the answer has to be given up, and every
    /// further call gives the same.
    pub fn write(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        if let Some(error) = self.end {
            return Err(error);
        }
        let mut waiting = std::mem::take(&mut self.kept_back);
        let result = if waiting.is_empty() {
            let kept = out.len();
            let result = self.take(piece, out, kept);
            waiting = out.split_off(self.waits_from(out, kept));
            result
        } else {
            // What follows is written behind what waits, which may be much, so that no piece copies that.
            let result = self.take(piece, &mut waiting, 0);
            out.extend(waiting.drain(..self.waits_from(&waiting, 0)));
            result
        };
        match result {
            Ok(()) => {
                waiting.shrink_to(waiting.len().saturating_add(waiting.len() / 4));
                self.kept_back = waiting;
            }
            // What a resource had before it was known whether it goes is not proven.
            Err(error) => self.end = Some(error),
        }
        result
    }

    /// Does all that can be done with the next piece.
    fn take(&mut self, piece: &[u8], out: &mut Vec<u8>, kept: usize) -> Result<(), Error> {
        let mut held = std::mem::take(&mut self.held);
        let result = if held.is_empty() {
            let result = self.run(&mut Stream { data: piece, out, kept });
            held.extend_from_slice(piece.get(self.rebase()..).unwrap_or_default());
            result
        } else {
            held.extend_from_slice(piece);
            let result = self.run(&mut Stream { data: &held, out, kept });
            held.drain(..self.rebase().min(held.len()));
            result
        };
        if result.is_ok() {
            // The room for a piece is not kept while the next one is awaited: there are many answers at once.
            held.shrink_to(held.len().saturating_mul(2).max(KEPT));
            self.held = held;
            self.written.shrink_to(KEPT);
        }
        result
    }

    /// Says that the answer has ended. All that may leave has left before; only now is it known to be whole.
    ///
    /// An empty answer is cut short, but for one of lines, which may have none.
    pub fn finish(&mut self) -> Result<(), Error> {
        if let Some(error) = self.end {
            return Err(error);
        }
        let verdict = match self.lexer.finish() {
            Ok(None) => Ok(()),
            // A number ends where the text does.
            Ok(Some(_)) => Err(Error::RootScalar),
            Err(error) => Err(error.into()),
        };
        self.end = Some(verdict.err().unwrap_or(Error::Ended));
        verdict
    }

    /// How much of the answer is held back.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let kept = self.held.capacity() + self.kept_back.capacity() + self.written.capacity();
        kept + self.draft.held_bytes() + self.recent.held_bytes()
    }

    /// What was done so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Everything that can be done with the input at hand.
    fn run(&mut self, stream: &mut Stream<'_>) -> Result<(), Error> {
        loop {
            let more = match self.task {
                Task::Walk => self.walk(stream)?,
                Task::Skip(skip) => self.skip(skip, stream)?,
                Task::Scout(_) => self.scout(stream)?,
            };
            if !more {
                self.draft.flush(stream.data, stream.out);
                return Ok(());
            }
        }
    }

    /// Judges tokens until the input ends, or another task begins. Answers whether there is more to do.
    fn walk(&mut self, stream: &mut Stream<'_>) -> Result<bool, Error> {
        loop {
            self.express(stream)?;
            if !matches!(self.task, Task::Walk) {
                return Ok(true);
            }
            let Some(token) = self.lexer.next(stream.data)? else { break };
            // What stands behind the end of a line was decided with it.
            let is_decided = token == Token::Newline && self.root_ended;
            if !is_decided && self.draft.undecided(self.lexer.start()) > self.options.hold_back {
                return Err(Error::HoldBack);
            }
            match token {
                Token::Key => self.key(stream)?,
                Token::Comma => self.comma(self.lexer.start(), stream),
                Token::BeginObject | Token::BeginArray => self.begin(token, stream)?,
                Token::EndObject | Token::EndArray => self.close(stream)?,
                Token::Newline => self.newline(stream),
                Token::String | Token::Number | Token::True | Token::False | Token::Null => self.scalar(token, stream)?,
            }
            if !matches!(self.task, Task::Walk) {
                return Ok(true);
            }
        }
        self.pause(stream)?;
        Ok(false)
    }

    /// The input at hand ends between tokens or in one.
    fn pause(&mut self, stream: &mut Stream<'_>) -> Result<(), Error> {
        match self.lexer.unfinished() {
            // What stands before a string is held back for it, whether it is whole or not.
            Some(Token::String) if self.streamed.is_none() && self.is_too_much(self.lexer.start()) => {
                return Err(Error::HoldBack);
            }
            Some(Token::String) => self.pause_in_string(stream)?,
            Some(Token::Key) => (),
            Some(_) if self.frames.len() == 1 => return Err(Error::RootScalar),
            None if self.root_ended && self.line_lost => {
                self.draft.discard(stream.data, self.draft.sure(), self.lexer.at(), stream.out);
            }
            None if self.root_ended => self.draft.keep(self.lexer.at(), stream.out),
            _ => (),
        }
        let reached = if self.lexer.unfinished().is_some() { self.lexer.start() } else { self.lexer.at() };
        if self.draft.undecided(reached) > self.options.hold_back { Err(Error::HoldBack) } else { Ok(()) }
    }

    /// Passes through a container that was judged whole. Answers whether there is more to do.
    fn skip(&mut self, skip: Skip, stream: &mut Stream<'_>) -> Result<bool, Error> {
        let refused: &[&[u8]] = if skip.watches { &[RESOURCE_TYPE] } else { &[] };
        let ended = match self.lexer.skip(stream.data, skip.depth, refused)? {
            Skipped::Met => return Err(Error::MisplacedResource),
            Skipped::Ended => true,
            Skipped::More => false,
        };
        if ended {
            self.task = Task::Walk;
            self.root_ended = self.frames.len() == 1;
        }
        let to = match self.lexer.unfinished() {
            None | Some(Token::String) => self.lexer.at(),
            Some(_) => self.lexer.start(),
        };
        if skip.keeps {
            self.draft.keep(to, stream.out);
        } else {
            self.draft.discard(stream.data, self.draft.sure(), to, stream.out);
        }
        Ok(ended)
    }

    /// Lets go of the input that is done with. Answers how much that is.
    fn rebase(&mut self) -> usize {
        let by = self.draft.rebase();
        self.lexer.rebase(by);
        self.member.start = self.member.start.map(|start| start.saturating_sub(by));
        self.member.key = self.member.key.saturating_sub(by);
        if let Task::Scout(scout) = &mut self.task {
            scout.place.rebase(by);
        }
        by
    }
}
