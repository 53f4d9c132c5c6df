//! What a shell has to do: the only thing that an exchange gives back.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use super::reply::Reply;

/// What follows from an event. Header changes come first, then the body, then `next`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Changes to the head of the message at hand.
    pub changes: Vec<Change>,
    /// What stands in place of the part of the body at hand; `None` leaves it as it is.
    pub body: Option<Vec<u8>>,
    /// Whether the trailers at hand are taken off.
    pub drop_trailers: bool,
    /// What Envoy's rate limits may tell requests apart by, as names and values of filter state; said once, when the
    /// request is let through.
    pub descriptors: Vec<(&'static str, Rc<str>)>,
    /// What happens to the stream.
    pub next: Next,
}

/// A change to a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The only field of this name has this value.
    Set(Cow<'static, str>, Vec<u8>),
    /// The head, which has no field of this name by now, gets one. For a host that is half the work of [`Change::Set`].
    Add(Cow<'static, str>, Vec<u8>),
    /// No field has this name.
    Remove(Vec<u8>),
}

/// What happens to a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    #[default]
    Continue,
    /// It waits for more; longer than this is a refusal.
    Hold(Duration),
    /// It waits until somebody has been asked about its caller; longer than this is a refusal.
    Await(Duration),
    /// It is answered here and now.
    Reply(Reply),
    /// It is broken off, so that nobody takes it for whole.
    Reset,
}

impl Effects {
    pub(super) fn hold(timeout: Duration) -> Self {
        Self { next: Next::Hold(timeout), ..Self::default() }
    }

    pub(super) fn wait(timeout: Duration) -> Self {
        Self { next: Next::Await(timeout), ..Self::default() }
    }

    pub(super) fn reply(reply: Reply) -> Self {
        Self { next: Next::Reply(reply), ..Self::default() }
    }

    pub(super) fn reset() -> Self {
        Self { next: Next::Reset, ..Self::default() }
    }
}
