//! Events on their way to the audit repository: a bounded queue with room that is reserved, batches, and tries again.
//!
//! 1. Room is taken before an event is there, so that an exchange that was let in can always be recorded.
//! 2. A batch leaves when it is full, or when its oldest event has waited for the interval. A few are under way at a time;
//!    while the repository is down, one.
//! 3. A call that brought nothing puts its events back in front, and the next one waits: twice as long each time, up to a
//!    minute, or as long as `Retry-After` says. An event that failed alone waits alone.
//! 4. Where the repository refuses a whole batch for what it holds, halves of it are tried, down to the one event that is
//!    at fault. That one is rejected if an OperationOutcome says so, and else waits alone. Nothing else is ever thrown away
//!    here.
//!
//! Time comes from outside, in milliseconds, and calls are made there.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The most bytes that all queues of a worker hold together, room that is reserved among them.
pub const MAX_BYTES: usize = 64 << 20;

/// The most bytes of a batch, unless one event has more.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// The most calls under way.
const MAX_CALLS: usize = 4;

/// What a call may take beyond its time before it is held to be lost.
const GRACE: u64 = 5_000;

/// The first and the longest wait for another try.
const FIRST_WAIT: u64 = 1_000;
const LONGEST_WAIT: u64 = 60_000;

/// The longest that a repository may ask us to wait.
const LONGEST_RETRY_AFTER: u64 = 300_000;

/// How a queue behaves.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The most events, room that is reserved among them.
    pub max_queue: usize,
    /// The most events of a batch.
    pub batch: usize,
    /// How long an event may wait for others.
    pub interval: u64,
    /// How long a call may take.
    pub timeout: u64,
}

/// What became of events and calls since it was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that the repository took.
    pub delivered: u64,
    /// Events that it does not take.
    pub rejected: u64,
    /// Events for which there was no room.
    pub dropped: u64,
    /// Requests that were refused, since there was no room for their events.
    pub refused: u64,
    /// Calls that brought a verdict on each event.
    pub calls: u64,
    /// Calls that did not.
    pub failed_calls: u64,
}

/// What the repository said of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has it.
    Delivered,
    /// It will never take it.
    Rejected,
    /// It may take it later.
    Again,
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What it said of each event, in order. One that is missing is tried again.
    Verdicts(Vec<Verdict>),
    /// It does not take a batch like this one, and said so as a server of FHIR does, or not so.
    Unfit {
        /// Whether it did.
        is_proven: bool,
    },
    /// It did not do what was asked, and said perhaps when to try again.
    Failed(Option<u64>),
}

struct Item {
    json: Box<[u8]>,
    tries: u32,
}

struct Flight {
    serial: u64,
    items: Vec<Item>,
    began: u64,
}

/// See the module's documentation.
pub struct Queue {
    waiting: VecDeque<Item>,
    /// Events that failed alone, and when they may be tried again.
    later: Vec<(u64, Item)>,
    flights: Vec<Flight>,
    serial: u64,
    /// Events that are here or under way.
    events: usize,
    /// How many have room without being there.
    reserved: usize,
    /// The bytes of all queues of the worker.
    bytes: Rc<Cell<usize>>,
    /// When the oldest that waits came.
    since: Option<u64>,
    /// Calls that failed in a row, and until when there is none.
    failures: u32,
    not_before: u64,
    /// The most events of the next batch, while one at fault is looked for.
    narrowed: Option<usize>,
    counts: Counts,
}

impl Queue {
    /// An empty queue beside others whose bytes are counted together.
    #[must_use]
    pub fn new(bytes: Rc<Cell<usize>>) -> Self {
        Self {
            waiting: VecDeque::new(),
            later: Vec::new(),
            flights: Vec::new(),
            serial: 0,
            events: 0,
            reserved: 0,
            bytes,
            since: None,
            failures: 0,
            not_before: 0,
            narrowed: None,
            counts: Counts::default(),
        }
    }

    /// Takes room for an event of at most this many bytes; whether there was.
    pub fn reserve(&mut self, bytes: usize, pace: &Pace) -> bool {
        let total = self.bytes.get().saturating_add(bytes);
        let fits = self.events.saturating_add(self.reserved) < pace.max_queue && total <= MAX_BYTES;
        if fits {
            self.reserved = self.reserved.saturating_add(1);
            self.bytes.set(total);
        }
        fits
    }

    /// Gives room back that no event came to fill.
    pub fn release(&mut self, bytes: usize) {
        self.reserved = self.reserved.saturating_sub(1);
        self.give_back(bytes);
    }

    /// Puts an event for which room was taken. The room is to be given back behind it.
    pub fn put(&mut self, event: Vec<u8>, now: u64) {
        self.bytes.set(self.bytes.get().saturating_add(event.len()));
        self.events = self.events.saturating_add(1);
        self.since.get_or_insert(now);
        self.waiting.push_back(Item { json: event.into(), tries: 0 });
    }

    /// Counts an event that there is no room for.
    pub fn drop_one(&mut self) {
        self.counts.dropped = self.counts.dropped.saturating_add(1);
    }

    /// Counts a request that was refused for want of room.
    pub fn refuse_one(&mut self) {
        self.counts.refused = self.counts.refused.saturating_add(1);
    }

    /// Events that were not delivered yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events
    }

    /// Whether nothing is here, nothing under way and no room taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events == 0 && self.reserved == 0
    }

    /// What became of events and calls since this was asked.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// The next batch that is to be sent now, by its number, if there is one.
    pub fn next_batch(&mut self, now: u64, pace: &Pace) -> Option<(u64, Vec<&[u8]>)> {
        self.give_up_lost(now, pace);
        let most_calls = if self.failures == 0 && self.narrowed.is_none() { MAX_CALLS } else { 1 };
        if now < self.not_before || self.flights.len() >= most_calls {
            return None;
        }
        // Those that failed alone go last, so that they hold up nobody.
        let due = self.later.extract_if(.., |(due, _)| *due <= now);
        let waiting = self.waiting.len();
        self.waiting.extend(due.map(|(_, item)| item));
        if self.waiting.len() > waiting {
            self.since = Some(0);
        }
        let most = self.narrowed.unwrap_or(pace.batch).max(1);
        let is_due = self.since.is_some_and(|since| now >= since.saturating_add(pace.interval));
        if self.waiting.is_empty() || !(is_due || self.waiting.len() >= most || self.failures > 0) {
            return None;
        }
        let mut size = 0_usize;
        let fits = |item: &&Item| {
            size = size.saturating_add(item.json.len());
            size <= MAX_BATCH_BYTES
        };
        let count = self.waiting.iter().take(most).take_while(fits).count().max(1);
        let items: Vec<Item> = (0..count).filter_map(|_| self.waiting.pop_front()).collect();
        self.since = if self.waiting.is_empty() { None } else { self.since };
        self.serial = self.serial.wrapping_add(1);
        self.flights.push(Flight { serial: self.serial, items, began: now });
        let flight = self.flights.last()?;
        Some((self.serial, flight.items.iter().map(|item| &*item.json).collect()))
    }

    /// Takes what became of a call. A call that was given up is not known any more.
    pub fn settle(&mut self, serial: u64, outcome: Outcome, now: u64) -> bool {
        let Some(at) = self.flights.iter().position(|flight| flight.serial == serial) else { return false };
        let items = self.flights.remove(at).items;
        match outcome {
            Outcome::Verdicts(verdicts) => {
                self.counts.calls = self.counts.calls.saturating_add(1);
                self.failures = 0;
                self.narrowed = None;
                let verdicts = verdicts.into_iter().map(Some).chain(std::iter::repeat(None));
                for (item, verdict) in items.into_iter().zip(verdicts) {
                    match verdict {
                        Some(Verdict::Delivered) => self.end(&item, |counts| &mut counts.delivered),
                        Some(Verdict::Rejected) => self.end(&item, |counts| &mut counts.rejected),
                        Some(Verdict::Again) | None => self.put_off(item, now),
                    }
                }
            }
            Outcome::Unfit { is_proven: true } if items.len() <= 1 => {
                self.counts.calls = self.counts.calls.saturating_add(1);
                self.failures = 0;
                self.narrowed = None;
                items.iter().for_each(|item| self.end(item, |counts| &mut counts.rejected));
            }
            Outcome::Unfit { is_proven } => {
                // A lone one that nobody judged as FHIR makes room for others, and is tried again.
                self.narrowed = (items.len() > 1).then(|| items.len().div_ceil(2));
                if items.len() > 1 {
                    self.put_back(items);
                } else {
                    items.into_iter().for_each(|item| self.put_off(item, now));
                }
                self.fail(if is_proven { Some(0) } else { None }, now);
            }
            Outcome::Failed(retry_after) => {
                self.fail(retry_after.map(|asked| asked.clamp(FIRST_WAIT, LONGEST_RETRY_AFTER)), now);
                self.put_back(items);
            }
        }
        true
    }

    /// Events that were rejected and not told of yet.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.counts.rejected
    }

    /// Whether calls fail, so that the next one waits.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Counts a call that failed; the next one waits so long, or as long as is usual.
    fn fail(&mut self, asked: Option<u64>, now: u64) {
        self.counts.failed_calls = self.counts.failed_calls.saturating_add(1);
        self.failures = self.failures.saturating_add(1);
        let own = wait(self.failures, now, self.waiting.len());
        self.not_before = now.saturating_add(asked.unwrap_or(own));
    }

    /// Has an event that failed alone wait.
    fn put_off(&mut self, item: Item, now: u64) {
        let tries = item.tries.saturating_add(1);
        let due = now.saturating_add(wait(tries, now, self.later.len()));
        self.later.push((due, Item { tries, ..item }));
    }

    /// Puts events back to where they came from, to be sent as soon as that is possible.
    fn put_back(&mut self, items: Vec<Item>) {
        items.into_iter().rev().for_each(|item| self.waiting.push_front(item));
        self.since = Some(0);
    }

    /// An answer can fail to come: the context that asked may be gone.
    fn give_up_lost(&mut self, now: u64, pace: &Pace) {
        let longest = pace.timeout.saturating_add(GRACE);
        let is_lost = |flight: &Flight| now > flight.began.saturating_add(longest);
        while let Some(serial) = self.flights.iter().find(|flight| is_lost(flight)).map(|flight| flight.serial) {
            self.settle(serial, Outcome::Failed(None), now);
        }
    }

    fn end(&mut self, item: &Item, count: impl FnOnce(&mut Counts) -> &mut u64) {
        let count = count(&mut self.counts);
        *count = count.saturating_add(1);
        self.events = self.events.saturating_sub(1);
        self.give_back(item.json.len());
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
    }
}

/// How long to wait for another try: a second, then twice as long each time, less up to a half of it, so that workers that
/// failed together do not come back together.
fn wait(tries: u32, now: u64, salt: usize) -> u64 {
    let longest = (FIRST_WAIT << tries.saturating_sub(1).min(6)).min(LONGEST_WAIT);
    // The clock is as good as chance here, once its digits are mixed (splitmix64's last steps).
    let mut mixed = now ^ u64::try_from(salt).unwrap_or(0).rotate_left(32);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    longest - mixed % (longest / 2 + 1)
}

#[cfg(test)]
mod tests;
