//! The delivery of events to an audit repository: what the policy says of it, the batches that are posted, and what their
//! answers mean.
//!
//! A batch is a Bundle of type `batch` (<http://hl7.org/fhir/R4/http.html#transaction>). Its answer has a status for each
//! event: 2xx is delivered, 429 and 5xx are tried again, any other is rejected. An answer that is not such a Bundle proves
//! nothing, and the batch is sent again: an event can arrive twice, and never not at all while the worker lives.

mod answer;
mod compile;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::event::Teller;
use super::queue::{Counts, Outcome, Pace, Queue};
use crate::identity::{Answer, Call, Endpoint};

/// The longest answer that is read: servers may say an OperationOutcome of each event, each in some hundred bytes.
const MAX_ANSWER: usize = 512 << 10;

/// What a policy says of delivery.
#[derive(Debug)]
pub struct Delivery {
    cluster: Rc<str>,
    endpoint: Endpoint,
    authorization: Option<Bearer>,
    pace: Pace,
    refuses: bool,
    teller: Teller,
}

/// A header's value that nobody is to see.
struct Bearer(Rc<str>);

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(secret)")
    }
}

impl Delivery {
    /// Who tells of events.
    #[must_use]
    pub fn teller(&self) -> &Teller {
        &self.teller
    }
}

/// The events that a worker has for one repository. A policy that follows takes them over where it names the same one.
pub struct Outbox {
    delivery: RefCell<Rc<Delivery>>,
    queue: RefCell<Queue>,
}

/// Room for one event, given back where none comes.
pub struct Room {
    // Who holds an outbox delivers what is in it; a stream does not.
    outbox: Weak<Outbox>,
    bytes: usize,
}

/// What is worth telling of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Calls begin to fail: with this status, or without an answer.
    Failing(Option<u16>),
    /// They succeed again.
    Recovered,
    /// The repository rejected this many events.
    Rejected(u64),
}

impl Outbox {
    /// An empty one beside others whose bytes are counted together.
    #[must_use]
    pub fn new(delivery: Rc<Delivery>, bytes: Rc<Cell<usize>>) -> Self {
        Self { delivery: RefCell::new(delivery), queue: RefCell::new(Queue::new(bytes)) }
    }

    /// Goes on as another policy says, where that names the same repository; whether it does.
    #[must_use]
    pub fn adopt(&self, delivery: &Rc<Delivery>) -> bool {
        let mut own = self.delivery.borrow_mut();
        let is_same = own.cluster == delivery.cluster && own.endpoint == delivery.endpoint;
        if is_same {
            *own = Rc::clone(delivery);
        }
        is_same
    }

    /// Takes room for an event of at most this many bytes.
    #[must_use]
    pub fn reserve(self: &Rc<Self>, bytes: usize) -> Option<Room> {
        let has_room = self.queue.borrow_mut().reserve(bytes, &self.delivery.borrow().pace);
        has_room.then(|| Room { outbox: Rc::downgrade(self), bytes })
    }

    /// Puts an event without room reserved; without any it is dropped and counted.
    pub fn offer(self: &Rc<Self>, event: Vec<u8>, now: u64) {
        match self.reserve(event.len()) {
            Some(room) => room.fill(event, now),
            None => self.queue.borrow_mut().drop_one(),
        }
    }

    /// Whether an exchange is refused that there is no room for.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.delivery.borrow().refuses
    }

    /// Counts a request that was refused for want of room.
    pub fn count_refused(&self) {
        self.queue.borrow_mut().refuse_one();
    }

    /// Events that were not delivered yet.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.borrow().len()
    }

    /// Whether there is nothing to deliver, and nothing to come.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// What became of events and calls since this was asked.
    #[must_use]
    pub fn take_counts(&self) -> Counts {
        self.queue.borrow_mut().take_counts()
    }

    /// The next call to make now, if there is one.
    #[must_use]
    pub fn poll(&self, now: u64) -> Option<(u64, Call)> {
        let delivery = self.delivery.borrow();
        let mut queue = self.queue.borrow_mut();
        let (serial, events) = queue.next_batch(now, &delivery.pace)?;
        let mut head = delivery.endpoint.head("POST", "application/fhir+json");
        head.push(("content-type", "application/fhir+json".into()));
        head.push(("prefer", "return=minimal".into()));
        if let Some(Bearer(value)) = &delivery.authorization {
            head.push(("authorization", Rc::clone(value)));
        }
        let (cluster, timeout) = (Rc::clone(&delivery.cluster), Duration::from_millis(delivery.pace.timeout));
        Some((serial, Call { cluster, head, body: bundle(&events), timeout, max_body: MAX_ANSWER }))
    }

    /// Takes the answer to a call, or that there is none.
    pub fn answered(&self, serial: u64, answer: Option<Answer>, now: u64) -> Vec<News> {
        let mut queue = self.queue.borrow_mut();
        let (was_failing, rejected) = (queue.is_failing(), queue.rejected());
        let status = answer.as_ref().and_then(|answer| answer::status(&answer.head));
        let outcome = answer.map_or(Outcome::Failed(None), answer::read);
        if !queue.settle(serial, outcome, now) {
            return Vec::new();
        }
        let newly = queue.rejected().saturating_sub(rejected);
        let changed = match (was_failing, queue.is_failing()) {
            (false, true) => Some(News::Failing(status)),
            (true, false) => Some(News::Recovered),
            _ => None,
        };
        changed.into_iter().chain((newly > 0).then_some(News::Rejected(newly))).collect()
    }
}

impl Room {
    /// Puts the event that it was taken for.
    pub fn fill(self, event: Vec<u8>, now: u64) {
        if let Some(outbox) = self.outbox.upgrade() {
            outbox.queue.borrow_mut().put(event, now);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(outbox) = self.outbox.upgrade() {
            outbox.queue.borrow_mut().release(self.bytes);
        }
    }
}

fn bundle(events: &[&[u8]]) -> Vec<u8> {
    const OPENING: &[u8] = br#"{"resourceType":"Bundle","type":"batch","entry":["#;
    const BEFORE: &[u8] = br#"{"resource":"#;
    const BEHIND: &[u8] = br#","request":{"method":"POST","url":"AuditEvent"}}"#;
    let size: usize = events.iter().map(|event| event.len() + BEFORE.len() + BEHIND.len() + 1).sum();
    let mut body = Vec::with_capacity(size + OPENING.len() + 2);
    body.extend_from_slice(OPENING);
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(BEFORE);
        body.extend_from_slice(event);
        body.extend_from_slice(BEHIND);
    }
    body.extend_from_slice(b"]}");
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;

    /// A repository that took a batch and said too much of it would be sent the same batch for ever.
    #[test]
    fn a_batch_whose_answer_is_too_long_becomes_smaller() {
        let delivery = Delivery {
            cluster: "audit".into(),
            endpoint: Endpoint::parse("https://audit.example/fhir").unwrap(),
            authorization: None,
            pace: Pace { max_queue: 100, batch: 50, interval: 1_000, timeout: 10_000 },
            refuses: true,
            teller: Teller { name: "x".into(), site: None },
        };
        let outbox = Rc::new(Outbox::new(Rc::new(delivery), Rc::default()));
        (0..50).for_each(|_| outbox.offer(b"{}".to_vec(), 0));
        let mut sizes = Vec::new();
        for minute in 1..20 {
            let now = minute * 120_000;
            let Some((serial, call)) = outbox.poll(now) else { break };
            sizes.push(call.body.len());
            let head = Headers::from_pairs([(":status", "200")]);
            outbox.answered(serial, Some(Answer { head, body: None }), now);
        }
        assert!(sizes.last() < sizes.first(), "{sizes:?}");
    }
}
