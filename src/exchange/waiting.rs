//! A request that waits until somebody has been asked about its caller: for an issuer's keys, or about an opaque token.
//!
//! Its head is kept and judged again, whole, when something new is known: so nothing that was judged before can have
//! changed meanwhile without being seen. Its body gathers in Envoy. Nothing has left by then, and no answer can come.

use std::time::Duration;

use super::effect::Effects;
use super::reason::{Reason, Rule};
use super::{Exchange, Host, ReadBody, Stage};
use crate::http::Headers;
use crate::identity::Halt;

/// A request whose caller is being asked about.
pub(super) struct Waiting {
    head: Headers,
    /// Whether its head is all there is.
    is_bare: bool,
    /// What Envoy holds of its body, and whether that is all of it.
    size: usize,
    is_whole: bool,
    timeout: Duration,
}

impl Waiting {
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.head.byte_len()
    }
}

/// What stands between a request and its being sent on.
pub(super) enum Stop {
    Refused(Reason),
    /// It waits, no longer than this.
    Awaits(Duration),
}

impl<R: Into<Reason>> From<R> for Stop {
    fn from(reason: R) -> Self {
        Self::Refused(reason.into())
    }
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Refused(refusal) => Self::Refused(refusal.into()),
            Halt::Awaits(timeout) => Self::Awaits(timeout),
        }
    }
}

impl Exchange {
    /// Has the request wait.
    pub(super) fn wait(&mut self, head: Headers, is_bare: bool, timeout: Duration) -> Effects {
        self.stage = Stage::Waiting(Box::new(Waiting { head, is_bare, size: 0, is_whole: false, timeout }));
        Effects::wait(timeout)
    }

    /// A part of the body of a request that waits has come.
    pub(super) fn body_while_waiting(&mut self, size: usize, end: bool) -> Effects {
        let Stage::Waiting(waiting) = &mut self.stage else { return Effects::default() };
        (waiting.size, waiting.is_whole) = (size, end);
        let timeout = waiting.timeout;
        match &self.route {
            Some(route) if size > route.limits.body => self.refuse_request(Rule::BodyTooLarge.into()),
            _ => Effects::wait(timeout),
        }
    }

    /// Something is known that the request may have waited for. `read` reads as much of its body as came.
    pub fn resume(&mut self, read: &dyn Fn(usize) -> Option<Vec<u8>>, host: &Host<'_>) -> Effects {
        let Waiting { head, is_bare, size, is_whole, .. } = match std::mem::replace(&mut self.stage, Stage::Start) {
            Stage::Waiting(waiting) => *waiting,
            other => {
                self.stage = other;
                return Effects::default();
            }
        };
        let effects = self.judge_request(head, is_bare, host);
        if let Stage::Waiting(waiting) = &mut self.stage {
            (waiting.size, waiting.is_whole) = (size, is_whole);
        }
        // What came of the body meanwhile is judged now.
        if matches!(self.stage, Stage::Body(_)) && (size > 0 || is_whole) {
            let read: ReadBody<'_> = &|| read(size);
            return self.request_body(size, is_whole, read, host);
        }
        effects
    }

    /// Whether the request waits until somebody has been asked about its caller.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting(_))
    }
}

#[cfg(test)]
mod tests;
