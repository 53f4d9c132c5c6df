use super::*;

const PACE: Pace = Pace { max_queue: 10, batch: 4, interval: 1_000, timeout: 10_000 };

/// A queue, its clock, and what the repository has got.
struct Bench {
    queue: Queue,
    bytes: Rc<Cell<usize>>,
    now: u64,
    pace: Pace,
}

impl Bench {
    fn new() -> Self {
        let bytes = Rc::<Cell<usize>>::default();
        Self { queue: Queue::new(Rc::clone(&bytes)), bytes, now: 1_000_000, pace: PACE }
    }

    fn put(&mut self, names: &[&str]) {
        for name in names {
            assert!(self.queue.reserve(100, &self.pace), "{name}");
            self.queue.put(name.as_bytes().to_vec(), self.now);
            self.queue.release(100);
        }
    }

    /// The next batch once so much time has passed.
    fn after(&mut self, milliseconds: u64) -> Option<(u64, Vec<String>)> {
        self.now += milliseconds;
        let (serial, events) = self.queue.next_batch(self.now, &self.pace)?;
        Some((serial, events.into_iter().map(|event| String::from_utf8(event.to_vec()).unwrap()).collect()))
    }

    #[track_caller]
    fn sends(&mut self, milliseconds: u64, names: &[&str]) -> u64 {
        let (serial, sent) = self.after(milliseconds).expect("a batch");
        assert_eq!(sent, names);
        serial
    }

    fn settle(&mut self, serial: u64, outcome: Outcome) {
        assert!(self.queue.settle(serial, outcome, self.now));
    }

    fn take(&mut self, serial: u64, count: usize) {
        self.settle(serial, Outcome::Verdicts(vec![Verdict::Delivered; count]));
    }
}

#[test]
fn a_batch_leaves_when_it_is_full_or_its_oldest_has_waited() {
    let mut bench = Bench::new();
    bench.put(&["a", "b", "c"]);
    assert_eq!(bench.after(999), None);
    let first = bench.sends(1, &["a", "b", "c"]);
    bench.put(&["d", "e", "f", "g", "h"]);
    let second = bench.sends(0, &["d", "e", "f", "g"]);
    assert_eq!(bench.after(0), None);
    bench.take(second, 4);
    bench.take(first, 3);
    let third = bench.sends(1_000, &["h"]);
    bench.take(third, 1);
    let counts = bench.queue.take_counts();
    assert_eq!(counts, Counts { delivered: 8, calls: 3, ..Counts::default() });
    assert!(bench.queue.is_empty() && bench.bytes.get() == 0);
    assert_eq!(bench.queue.take_counts(), Counts::default());
}

#[test]
fn no_more_than_a_few_calls_are_under_way() {
    let mut bench = Bench::new();
    bench.pace = Pace { max_queue: 100, ..PACE };
    (0..30).for_each(|_| bench.put(&["x"]));
    assert_eq!((0..10).filter_map(|_| bench.after(0)).count(), MAX_CALLS);
}

#[test]
fn room_that_was_taken_is_there_and_room_that_is_not_is_refused() {
    let mut bench = Bench::new();
    assert!((0..10).all(|_| bench.queue.reserve(100, &PACE)));
    assert!(!bench.queue.reserve(100, &PACE) && !bench.queue.is_empty());
    assert_eq!(bench.bytes.get(), 1_000);
    // What ends without an event gives its room back.
    bench.queue.release(100);
    assert!(bench.queue.reserve(100, &PACE) && !bench.queue.reserve(100, &PACE));
    // What comes to be takes no second place, and none is free before it was delivered.
    bench.queue.put(b"ab".to_vec(), bench.now);
    bench.queue.release(100);
    assert_eq!((bench.bytes.get(), bench.queue.len()), (902, 1));
    assert!(!bench.queue.reserve(100, &PACE));
    let serial = bench.sends(1_000, &["ab"]);
    assert!(!bench.queue.reserve(100, &PACE));
    bench.take(serial, 1);
    assert!(bench.queue.reserve(100, &PACE));
}

#[test]
fn all_queues_of_a_worker_share_what_memory_there_is() {
    let bytes = Rc::<Cell<usize>>::default();
    let (mut one, mut other) = (Queue::new(Rc::clone(&bytes)), Queue::new(Rc::clone(&bytes)));
    assert!(one.reserve(MAX_BYTES - 50, &PACE) && other.reserve(50, &PACE));
    assert!(!one.reserve(1, &PACE) && !other.reserve(1, &PACE));
    one.release(MAX_BYTES - 50);
    assert!(other.reserve(1, &PACE));
    assert_eq!(bytes.get(), 51);
}

#[test]
fn a_batch_that_failed_is_sent_again_whole_and_in_order_after_ever_longer_waits() {
    let mut bench = Bench::new();
    bench.put(&["a", "b", "c", "d", "e"]);
    let mut serial = bench.sends(0, &["a", "b", "c", "d"]);
    let mut longest = 1_000;
    for _ in 0..20 {
        bench.settle(serial, Outcome::Failed(None));
        assert!(bench.queue.is_failing());
        // At least half of the wait, at most all of it; then a single call to see whether anybody is there.
        assert_eq!(bench.after(longest / 2 - 1), None, "{longest}");
        serial = bench.sends(longest / 2 + 1, &["a", "b", "c", "d"]);
        assert_eq!(bench.after(0), None);
        longest = (longest * 2).min(60_000);
    }
    bench.take(serial, 4);
    assert!(!bench.queue.is_failing());
    bench.sends(0, &["e"]);
    assert_eq!(bench.queue.take_counts(), Counts { delivered: 4, calls: 1, failed_calls: 20, ..Counts::default() });
}

#[test]
fn workers_that_failed_together_do_not_come_back_together() {
    let waits: std::collections::HashSet<_> = (0..100).map(|now| wait(4, now, 0)).collect();
    assert!(waits.len() > 50, "{waits:?}");
    assert!(waits.iter().all(|wait| (4_000..=8_000).contains(wait)), "{waits:?}");
}

#[test]
fn a_repository_says_when_to_come_again_within_bounds() {
    for (asked, waits) in [(0, 1_000), (7, 7_000), (300, 300_000), (86_400, 300_000)] {
        let mut bench = Bench::new();
        bench.put(&["a"]);
        let serial = bench.sends(1_000, &["a"]);
        bench.settle(serial, Outcome::Failed(Some(asked * 1_000)));
        assert_eq!(bench.after(waits - 1), None, "{asked}");
        bench.sends(1, &["a"]);
    }
}

#[test]
fn each_event_of_a_batch_has_its_own_fate() {
    use Verdict::{Again, Delivered, Rejected};
    let mut bench = Bench::new();
    bench.put(&["a", "b", "c", "d"]);
    let serial = bench.sends(0, &["a", "b", "c", "d"]);
    // One verdict is missing.
    bench.settle(serial, Outcome::Verdicts(vec![Again, Rejected, Delivered]));
    assert_eq!((bench.queue.len(), bench.queue.is_failing()), (2, false));
    // What waits alone holds up nobody.
    bench.put(&["e", "f", "g", "h"]);
    let serial = bench.sends(0, &["e", "f", "g", "h"]);
    bench.take(serial, 4);
    let serial = bench.sends(1_000, &["a", "d"]);
    bench.settle(serial, Outcome::Verdicts(vec![Again, Delivered]));
    // The second wait is twice as long.
    assert_eq!(bench.after(999), None);
    let serial = bench.sends(1_001, &["a"]);
    bench.take(serial, 1);
    let counts = bench.queue.take_counts();
    assert_eq!((counts.delivered, counts.rejected, bench.queue.is_empty()), (7, 1, true));
}

#[test]
fn a_batch_that_does_not_fit_is_halved_down_to_the_one_at_fault() {
    let mut bench = Bench::new();
    bench.put(&["a", "b", "poison", "d", "e", "f", "g", "h"]);
    let mut taken: Vec<String> = Vec::new();
    let mut calls = 0;
    while let Some((serial, events)) = bench.after(1_000) {
        calls += 1;
        if events.iter().any(|event| event == "poison") {
            bench.settle(serial, Outcome::Unfit { is_proven: true });
        } else {
            bench.take(serial, events.len());
            taken.extend(events);
        }
        assert!(calls < 20);
    }
    assert_eq!(taken.join(" "), "a b d e f g h");
    let counts = bench.queue.take_counts();
    assert_eq!((counts.delivered, counts.rejected, bench.bytes.get()), (7, 1, 0));
}

#[test]
fn nothing_is_rejected_by_who_does_not_answer_as_a_server_of_fhir() {
    let mut bench = Bench::new();
    bench.put(&["a", "b", "c"]);
    let mut calls = 0;
    let until = bench.now + 3_600_000;
    while bench.now < until {
        if let Some((serial, _)) = bench.after(250) {
            calls += 1;
            bench.settle(serial, Outcome::Unfit { is_proven: false });
        }
    }
    assert!((60..600).contains(&calls), "{calls} calls in an hour");
    let counts = bench.queue.take_counts();
    assert_eq!((counts.rejected, bench.queue.len()), (0, 3));
    // And all of it comes through once somebody else does.
    let mut delivered = 0;
    while let Some((serial, events)) = bench.after(61_000) {
        bench.take(serial, events.len());
        delivered += events.len();
    }
    assert_eq!(delivered, 3);
}

#[test]
fn a_call_without_an_answer_is_given_up_and_its_late_answer_not_counted() {
    let mut bench = Bench::new();
    bench.put(&["a"]);
    let lost = bench.sends(1_000, &["a"]);
    assert_eq!(bench.after(15_000), None);
    assert_eq!(bench.after(1), None);
    let serial = bench.sends(1_000, &["a"]);
    assert!(!bench.queue.settle(lost, Outcome::Verdicts(vec![Verdict::Delivered]), bench.now));
    bench.take(serial, 1);
    assert_eq!(bench.queue.take_counts().delivered, 1);
}

#[test]
fn a_batch_is_no_longer_than_a_repository_takes() {
    let mut bench = Bench::new();
    bench.pace = Pace { max_queue: 100, batch: 500, ..PACE };
    let long = "x".repeat(MAX_BATCH_BYTES / 2 - 1);
    bench.put(&[&long, &long, &long]);
    assert_eq!(bench.after(1_000).unwrap().1.len(), 2);
    // One that is longer goes alone.
    let mut bench = Bench::new();
    bench.put(&[&"x".repeat(MAX_BATCH_BYTES + 1), "b"]);
    assert_eq!(bench.after(1_000).unwrap().1.len(), 1);
}
