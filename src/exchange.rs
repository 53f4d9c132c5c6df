//! The life of one exchange: events in, effects out.
//!
//! A shell hands over what happened (a head, a part of a body, trailers, a time-out) and does what the [`Effects`] say.
//! Nothing here calls a host, reads a clock or logs; what an exchange has to know about its connection it asks through
//! [`Facts`], and only when a rule needs it.
//!
//! A request is judged in this order, and the first failure decides: header section, method, path, host, route, TLS,
//! address, credentials, interaction, rules, what is described of query and headers, inspection of the head, redaction,
//! body and its inspection. It is held until it is judged, so nothing of a refused one
//! reaches the upstream; its body leaves as it was judged, redacted where a profile applies. An answer is judged by its head, then streamed through the redactor; its head is held until the
//! first redacted byte is there, so that a failure before it is a clean refusal. After it the stream is broken off.
//!
//! In shadow mode a refusal is recorded and the exchange goes on untouched, but for identity headers that a client forged.

/// Tells an explanation what came of a step. There is none in the module for Envoy.
macro_rules! told {
    ($exchange:ident, $($note:tt)*) => {
        #[cfg(not(target_family = "wasm"))]
        if let Some(trail) = $exchange.trail.as_deref_mut() {
            trail.$($note)*;
        }
    };
}

mod answer;
mod answer_head;
mod body;
mod effect;
mod engine;
mod event;
#[cfg(not(target_family = "wasm"))]
pub mod explain;
mod forward;
mod identity_token;
mod incoming;
mod inspection;
mod noted;
mod outgoing;
mod own_headers;
mod partial;
mod parts;
mod reason;
mod reply;
mod request;
mod route;
mod scan;
mod validation;
mod waiting;

use std::net::IpAddr;
use std::rc::Rc;

use crate::audit::event::Particulars;
use crate::audit::{Decision, Record};
use crate::identity::{Principal, Refusal, SignatureVerifier, StandIn, StandInError};
use crate::validate::Violation;
use answer::Answer;
use incoming::Pending;
use route::Route;
use waiting::Waiting;

pub use effect::{Change, Effects, Next};
pub use engine::{Engine, Inventory, Reachable};
pub use reason::{Reason, Rule};
pub use reply::{Format, Reply};

/// What an exchange may ask about its connection.
pub trait Facts {
    /// The client's address, as Envoy determined it.
    fn source(&self) -> Option<IpAddr>;
    /// Whether the request came over TLS.
    fn is_tls(&self) -> bool;
    /// The name of the route that Envoy chose.
    fn envoy_route(&self) -> Option<String>;
    /// SHA-256 of the client certificate (RFC 8705 section 3.1).
    fn certificate_sha256(&self) -> Option<[u8; 32]>;
    /// Whether the client showed a certificate.
    fn has_certificate(&self) -> bool {
        self.certificate_sha256().is_some()
    }
    /// Its first URI SAN: Envoy tells no more.
    fn certificate_uri_san(&self) -> Option<String> {
        None
    }
    /// Its first DNS SAN.
    fn certificate_dns_san(&self) -> Option<String> {
        None
    }
    /// Its subject, as Envoy writes it (RFC 2253).
    fn certificate_subject(&self) -> Option<String> {
        None
    }
    /// Whether the answer is the upstream's and not Envoy's own; the former where that is not known.
    fn is_from_upstream(&self) -> bool;
}

/// What a shell offers while an event is judged.
pub struct Host<'a> {
    /// Nanoseconds since 1970.
    pub now_ns: u64,
    /// About the connection.
    pub facts: &'a dyn Facts,
    /// Verifies signatures outside the module.
    pub verifier: &'a dyn SignatureVerifier,
}

impl Host<'_> {
    /// Seconds since 1970.
    fn now(&self) -> i64 {
        i64::try_from(self.now_ns / 1_000_000_000).unwrap_or(i64::MAX)
    }
}

/// Reads the part of a body at hand.
pub type ReadBody<'a> = &'a dyn Fn() -> Option<Vec<u8>>;

/// One exchange.
pub struct Exchange {
    engine: Engine,
    stage: Stage,
    route: Option<Rc<Route>>,
    record: Record,
    started_ns: u64,
    /// Takes off the identity headers that the client forged: done even where nothing else is.
    forged: Vec<Change>,
    /// A caller that a policy's test states, in place of credentials.
    stated: Option<Rc<Principal>>,
    /// The redaction rules that the request used, and those that an answer had used when it was refused.
    used_rules: Vec<String>,
    /// What of the request does not fit.
    violation: Option<Violation>,
    /// What an event tells beside the record, where events are delivered.
    particulars: Option<Box<Particulars>>,
    /// There is no room for an event, and what cannot be recorded may not happen.
    lacks_room: bool,
    /// What was tried, where somebody asks.
    #[cfg(not(target_family = "wasm"))]
    trail: Option<Box<explain::Trail>>,
}

/// How far an exchange has come.
enum Stage {
    /// Nothing has happened.
    Start,
    /// The request's head is here, and who sent it is being asked.
    Waiting(Box<Waiting>),
    /// The request's head was judged, its body is awaited.
    Body(Box<Pending>),
    /// The request was sent on.
    Sent(Box<Answer>),
    /// Refused in shadow mode: everything passes.
    Shadow,
    /// We replied; what comes back through the callbacks is our own.
    Replied,
    /// Broken off.
    Broken,
}

impl Exchange {
    /// The exchange that comes `sequence`-th.
    #[must_use]
    pub fn new(engine: &Engine, sequence: u64) -> Self {
        let record = Record { sequence, shadow: engine.is_shadow(), ..engine.blank_record() };
        Self {
            engine: engine.clone(),
            stage: Stage::Start,
            route: None,
            record,
            started_ns: 0,
            forged: Vec::new(),
            stated: None,
            used_rules: Vec::new(),
            violation: None,
            particulars: engine.delivery().map(|_| Box::default()),
            lacks_room: false,
            #[cfg(not(target_family = "wasm"))]
            trail: None,
        }
    }

    /// An exchange whose caller is stated, for the tests that a policy carries.
    pub fn with_stand_in(engine: &Engine, sequence: u64, stand_in: &StandIn) -> Result<Self, StandInError> {
        let stated = engine.providers().stand_in(stand_in)?;
        Ok(Self { stated: Some(stated), ..Self::new(engine, sequence) })
    }

    /// The route's or policy's time for a body has run out.
    pub fn timed_out(&mut self) -> Effects {
        match &self.stage {
            Stage::Waiting(_) => self.refuse_request(Refusal::Unavailable.into()),
            Stage::Body(_) => self.refuse_request(Rule::BodyTimeout.into()),
            Stage::Sent(_) => self.refuse_answer(Rule::AnswerTimeout.into()),
            Stage::Start | Stage::Shadow | Stage::Replied | Stage::Broken => Effects::default(),
        }
    }

    /// There is no memory left for what the exchange needs held.
    pub fn refuse_over_capacity(&mut self) -> Effects {
        match &self.stage {
            Stage::Waiting(_) => self.refuse_request(Rule::OverCapacity.into()),
            _ => self.refuse_answer(Rule::OverCapacity.into()),
        }
    }

    /// A host call failed, so the message at hand is not what was judged.
    pub fn fail(&mut self) -> Effects {
        self.record.decision = Decision::Deny;
        self.record.reason = Reason::from(Rule::Internal).code();
        match std::mem::replace(&mut self.stage, Stage::Replied) {
            Stage::Sent(answer) if answer.has_left() => self.break_off(),
            Stage::Broken => self.break_off(),
            _ => Effects::reply(self.reply(Rule::Internal.into())),
        }
    }

    /// Bytes of messages that this exchange holds.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.stage {
            Stage::Sent(answer) => answer.held_bytes(),
            Stage::Waiting(waiting) => waiting.held_bytes(),
            _ => 0,
        }
    }

    /// The redaction rules that were used, by their pointers in the policy.
    #[must_use]
    pub fn used_redaction_rules(&self) -> Vec<String> {
        let mut used = self.used_rules.clone();
        if let Stage::Sent(answer) = &self.stage {
            used.extend(answer.used_rules());
        }
        used
    }

    /// Ends the exchange and gives its record.
    pub fn close(&mut self, now_ns: u64, status: Option<u16>) -> &Record {
        if let Stage::Sent(answer) = &self.stage {
            answer.describe(&mut self.record);
        }
        self.record.status = status.or(self.record.status);
        if self.started_ns == 0 {
            // It never came here: a filter before us answered it.
            self.started_ns = now_ns;
        }
        self.record.time = self.started_ns / 1_000_000;
        self.record.latency_ms = now_ns.saturating_sub(self.started_ns) / 1_000_000;
        &self.record
    }

    /// Refuses a request that nothing is known of, at its beginning. In shadow mode too: a head that was not read cannot
    /// be freed of what the client forged.
    pub fn turn_away(&mut self, reason: Reason, now_ns: u64) -> Effects {
        self.started_ns = now_ns;
        self.enforce(reason)
    }

    /// Refuses the request: with a reply, or in shadow mode by recording it.
    fn refuse_request(&mut self, reason: Reason) -> Effects {
        told!(self, refused(reason));
        let shadows = match &self.route {
            Some(route) => route.shadow,
            None if reason == Rule::NoRoute.into() => self.engine.is_shadow(),
            // What cannot be read may be meant for any route.
            None => self.engine.is_shadow_throughout(),
        };
        if !shadows {
            return self.enforce(reason);
        }
        self.record.decision = Decision::Deny;
        self.record.reason = reason.code();
        self.stage = Stage::Shadow;
        Effects { changes: std::mem::take(&mut self.forged), ..Effects::default() }
    }

    fn enforce(&mut self, reason: Reason) -> Effects {
        told!(self, refused(reason));
        self.record.decision = Decision::Deny;
        self.record.reason = reason.code();
        self.record.shadow = false;
        self.stage = Stage::Replied;
        Effects::reply(self.reply(reason))
    }

    /// Refuses the answer: with a reply while nothing of it has left, by breaking it off afterwards.
    fn refuse_answer(&mut self, reason: Reason) -> Effects {
        told!(self, refused(reason));
        let Stage::Sent(answer) = std::mem::replace(&mut self.stage, Stage::Replied) else {
            return self.fail();
        };
        answer.describe(&mut self.record);
        self.used_rules.extend(answer.used_rules());
        self.record.decision = Decision::Deny;
        self.record.reason = reason.code();
        if answer.is_shadow() {
            self.stage = Stage::Shadow;
            return Effects::default();
        }
        if answer.has_left() {
            return self.break_off();
        }
        let reply = match answer.error_status() {
            Some(status) => Reply::with_status(reason, status, self.format(), self.record.request_id.as_deref()),
            None => self.reply(reason),
        };
        Effects::reply(answer.keep_retry_after(reply))
    }

    fn break_off(&mut self) -> Effects {
        self.stage = Stage::Broken;
        self.record.aborted = true;
        Effects::reset()
    }

    fn reply(&self, reason: Reason) -> Reply {
        let (format, request_id) = (self.format(), self.record.request_id.as_deref());
        if let (true, Some(rule)) = (reason == Rule::InjectionFound.into(), self.record.inspected.first()) {
            return Reply::by_rule(reason, rule, format, request_id);
        }
        Reply::about(reason, reason.status(), format, request_id, self.violation.as_ref())
    }

    fn format(&self) -> Format {
        match &self.route {
            Some(route) if route.fhir.is_some() => Format::OperationOutcome,
            _ => Format::Problem,
        }
    }
}

#[cfg(test)]
mod tests;
