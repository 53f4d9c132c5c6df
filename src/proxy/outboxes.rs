//! Events on their way to audit repositories, which outlive the policies that they come from.
//!
//! A policy that follows another in this VM takes its outbox over where both name the same repository. Where it does not,
//! the root context of the former stays until its events are delivered. What a VM holds goes with it: the access log is
//! the record.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use super::meters;
use crate::audit::delivery::{Delivery, News, Outbox};
use crate::identity::Answer;
use crate::metrics;

thread_local! {
    static OUTBOXES: RefCell<Vec<Weak<Outbox>>> = const { RefCell::new(Vec::new()) };
    /// What all of them hold together.
    static BYTES: Rc<Cell<usize>> = Rc::default();
    /// What the gauge says.
    static REPORTED: Cell<usize> = const { Cell::new(0) };
}

/// The outbox for a repository: the one that is there, or a new one.
pub(super) fn of(delivery: &Rc<Delivery>) -> Rc<Outbox> {
    OUTBOXES.with_borrow_mut(|outboxes| {
        outboxes.retain(|outbox| outbox.strong_count() > 0);
        let known = outboxes.iter().filter_map(Weak::upgrade).find(|outbox| outbox.adopt(delivery));
        known.unwrap_or_else(|| {
            let outbox = Rc::new(Outbox::new(Rc::clone(delivery), BYTES.with(Rc::clone)));
            outboxes.push(Rc::downgrade(&outbox));
            outbox
        })
    })
}

/// Whether another configuration delivers these events, too.
pub(super) fn is_shared(outbox: &Rc<Outbox>) -> bool {
    Rc::strong_count(outbox) > 1
}

/// Hands over the answer to a call, and logs what is new: no event, nothing that the repository wrote.
pub(super) fn answered(outbox: &Outbox, serial: u64, answer: Option<Answer>, now: u64) {
    for news in outbox.answered(serial, answer, now) {
        match news {
            News::Failing(Some(status)) => log::warn!(
                "carewarden: the audit repository, or Envoy in its place, answered a batch with status {status} and took \
                 no event that we know of; it is sent again"
            ),
            News::Failing(None) => log::warn!("carewarden: the audit repository cannot be reached; events are kept"),
            News::Recovered => log::warn!("carewarden: the audit repository takes events again"),
            News::Rejected(count) => log::warn!("carewarden: the audit repository rejected {count} events"),
        }
    }
}

/// Counts what became of events since this was called, and says how many wait.
pub(super) fn report(outbox: &Outbox) {
    meters::count_events(outbox.take_counts());
    let queued = OUTBOXES.with_borrow(|outboxes| {
        let queued = outboxes.iter().filter_map(Weak::upgrade).map(|outbox| outbox.queued());
        queued.fold(0_usize, usize::saturating_add)
    });
    // A worker that has nothing leaves the gauge to those that do.
    if REPORTED.replace(queued) != 0 || queued != 0 {
        meters::set(metrics::AUDIT_QUEUED, u64::try_from(queued).unwrap_or(u64::MAX));
    }
}
