//! When the keys of an issuer are fetched, and how long those at hand are used.
//!
//! They are fresh for as long as the server says (`Cache-Control: max-age`, RFC 9111 section 5.2.2.1), within the bounds
//! of the policy, and are fetched again a little before that, each worker at a moment of its own. While that fails they
//! are used on for `max_stale`, and tries are made at growing distances. A token with a `kid` that nobody knows asks for
//! a fetch out of turn, at most one every `min_interval`, whoever sends how many.

use std::time::Duration;

/// The first distance between tries that fail, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What an answer may take beyond its time before it is held to be lost.
const GRACE: Duration = Duration::from_secs(5);

/// The bounds that a policy sets.
#[derive(Clone, Copy, Debug)]
pub(in crate::identity::jwt) struct Bounds {
    /// The longest time for which keys are fresh.
    pub(in crate::identity::jwt) refresh: Duration,
    /// The shortest.
    pub(in crate::identity::jwt) min_refresh: Duration,
    /// How long keys are used that are not fresh any more.
    pub(in crate::identity::jwt) max_stale: Duration,
    /// How long a call may take.
    pub(in crate::identity::jwt) timeout: Duration,
    /// The time between fetches out of turn.
    pub(in crate::identity::jwt) min_interval: Duration,
}

/// What a request does that needs keys which are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::identity::jwt) enum Miss {
    /// It waits: they are being fetched, or will be at once.
    Awaits,
    /// The issuer was asked just now, and has none.
    Unknown,
    /// The issuer cannot be asked.
    Unavailable,
}

/// See the module's documentation. Moments are times since 1970.
#[derive(Debug)]
pub(super) struct Schedule {
    bounds: Bounds,
    /// When the keys at hand were fetched, and until when they are used.
    held: Option<(Duration, Duration)>,
    /// The next fetch in turn.
    next: Duration,
    /// When the last try ended, and whether it went well.
    last: Option<(Duration, bool)>,
    failures: u32,
    /// A fetch out of turn is asked for.
    is_wanted: bool,
    /// When the call under way began.
    under_way: Option<Duration>,
}

impl Schedule {
    pub(super) fn new(bounds: Bounds) -> Self {
        let next = Duration::ZERO;
        Self { bounds, held: None, next, last: None, failures: 0, is_wanted: false, under_way: None }
    }

    /// Whether a fetch should begin.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        !self.is_under_way(now) && (self.is_wanted || now >= self.next)
    }

    /// A fetch begins.
    pub(super) fn begin(&mut self, now: Duration) {
        (self.under_way, self.is_wanted) = (Some(now), false);
    }

    /// Keys came that were fetched at this moment and are fresh for as long as the server said, if it did. `chance` is
    /// below one.
    pub(super) fn succeed(&mut self, fetched: Duration, max_age: Option<Duration>, chance: f64) {
        let fresh = self.fresh(max_age);
        self.held = Some((fetched, self.last_use(fetched, max_age)));
        self.next = fetched.saturating_add(fresh.mul_f64(0.95 - 0.15 * chance));
        (self.last, self.failures, self.is_wanted, self.under_way) = (Some((fetched, true)), 0, false, None);
    }

    /// Until when keys are used that were fetched at this moment.
    pub(super) fn last_use(&self, fetched: Duration, max_age: Option<Duration>) -> Duration {
        fetched.saturating_add(self.fresh(max_age)).saturating_add(self.bounds.max_stale)
    }

    fn fresh(&self, max_age: Option<Duration>) -> Duration {
        max_age.unwrap_or(self.bounds.refresh).clamp(self.bounds.min_refresh, self.bounds.refresh)
    }

    /// Whether a request asks for a fetch out of turn.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Asks for one, unless the keys at hand are from just now.
    pub(super) fn want(&mut self, now: Duration) {
        let recent = |(last, _): (Duration, bool)| now < last.saturating_add(self.bounds.min_interval);
        self.is_wanted = !self.last.is_some_and(recent);
    }

    /// None came.
    pub(super) fn fail(&mut self, now: Duration, chance: f64) {
        let (first, longest) = BACK_OFF;
        let distance = first.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(longest);
        self.failures = self.failures.saturating_add(1).min(30);
        self.next = now.saturating_add(distance.mul_f64(1.0 - 0.5 * chance));
        (self.last, self.is_wanted, self.under_way) = (Some((now, false)), false, None);
    }

    /// How long until the next fetch in turn.
    pub(super) fn until_next(&self, now: Duration) -> Duration {
        self.next.saturating_sub(now)
    }

    /// When the keys at hand were fetched.
    pub(super) fn fetched(&self) -> Option<Duration> {
        self.held.map(|(fetched, _)| fetched)
    }

    /// Whether the keys at hand are past all use. They are forgotten then.
    pub(super) fn expire(&mut self, now: Duration) -> bool {
        let is_past = self.held.is_some_and(|(_, until)| now >= until);
        if is_past {
            self.held = None;
        }
        is_past
    }

    /// A request came whose key is not there.
    pub(super) fn miss(&mut self, now: Duration, wait: Duration) -> Miss {
        if self.is_under_way(now) {
            return Miss::Awaits;
        }
        let in_time = now.saturating_add(wait);
        match (self.held, self.last) {
            (None, _) if self.next <= in_time => Miss::Awaits,
            (None, _) => Miss::Unavailable,
            (Some(_), Some((last, went_well))) if now < last.saturating_add(self.bounds.min_interval) => {
                if went_well {
                    Miss::Unknown
                } else {
                    Miss::Unavailable
                }
            }
            (Some(_), _) => {
                self.is_wanted = true;
                Miss::Awaits
            }
        }
    }

    /// A call whose answer never came is given up.
    fn is_under_way(&self, now: Duration) -> bool {
        let given_up = |began: Duration| now > began.saturating_add(self.bounds.timeout).saturating_add(GRACE);
        self.under_way.is_some_and(|began| !given_up(began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const BOUNDS: Bounds = Bounds {
        refresh: seconds(300),
        min_refresh: seconds(30),
        max_stale: seconds(3_600),
        timeout: seconds(2),
        min_interval: seconds(10),
    };
    const NOW: Duration = seconds(1_000_000);

    fn after(seconds: u64) -> Duration {
        NOW + Duration::from_secs(seconds)
    }

    fn holding(max_age: Option<u64>) -> Schedule {
        let mut schedule = Schedule::new(BOUNDS);
        schedule.begin(NOW);
        schedule.succeed(NOW, max_age.map(Duration::from_secs), 0.0);
        schedule
    }

    #[test]
    fn keys_are_fetched_at_first_and_a_little_before_they_are_old() {
        assert!(Schedule::new(BOUNDS).is_due(NOW));
        for (max_age, fresh) in [(None, 300), (Some(100), 100), (Some(0), 30), (Some(86_400), 300)] {
            let schedule = holding(max_age);
            assert!(!schedule.is_due(after(fresh * 79 / 100)), "{max_age:?}");
            assert!(schedule.is_due(after(fresh)), "{max_age:?}");
        }
        let mut early = Schedule::new(BOUNDS);
        early.succeed(NOW, None, 0.999);
        assert!(early.is_due(after(242)) && !early.is_due(after(239)), "by chance");
    }

    #[test]
    fn tries_that_fail_grow_apart_and_keys_are_used_on_for_a_while() {
        let mut schedule = holding(None);
        let mut at = after(300);
        for distance in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(schedule.is_due(at));
            schedule.begin(at);
            schedule.fail(at, 0.0);
            assert!(!schedule.is_due(at + seconds(distance) - Duration::from_millis(1)), "{distance}");
            assert!(!schedule.expire(at));
            at += seconds(distance);
        }
        for _ in 0..100 {
            schedule.fail(at, 0.0);
        }
        assert_eq!(schedule.until_next(at), seconds(60));
        assert!(!schedule.expire(after(3_899)) && schedule.expire(after(3_900)));
        assert!(!schedule.expire(after(3_901)), "only once");
        assert_eq!(schedule.fetched(), None);
    }

    #[test]
    fn a_key_nobody_knows_is_asked_for_once_in_a_while() {
        let mut schedule = holding(None);
        let wait = seconds(2);
        assert_eq!(schedule.miss(after(9), wait), Miss::Unknown);
        assert!(!schedule.is_due(after(9)));
        assert_eq!(schedule.miss(after(10), wait), Miss::Awaits);
        assert!(schedule.is_due(after(10)));
        schedule.begin(after(10));
        assert_eq!(schedule.miss(after(11), wait), Miss::Awaits);
        assert!(!schedule.is_due(after(11)), "one at a time");
        schedule.succeed(after(11), None, 0.0);
        assert_eq!(schedule.miss(after(12), wait), Miss::Unknown);
        assert_eq!(schedule.miss(after(21), wait), Miss::Awaits);
        schedule.begin(after(21));
        schedule.fail(after(22), 0.0);
        assert_eq!(schedule.miss(after(22), wait), Miss::Unavailable, "whether the key exists is not known");
    }

    #[test]
    fn without_any_keys_a_request_waits_where_they_may_come_in_time() {
        let mut schedule = Schedule::new(BOUNDS);
        let wait = seconds(2);
        assert_eq!(schedule.miss(NOW, wait), Miss::Awaits);
        schedule.begin(NOW);
        assert_eq!(schedule.miss(NOW, wait), Miss::Awaits);
        schedule.fail(NOW, 0.0);
        assert_eq!(schedule.miss(NOW, wait), Miss::Awaits, "tried again in a second");
        (0..5).for_each(|_| schedule.fail(NOW, 0.0));
        assert_eq!(schedule.miss(NOW, wait), Miss::Unavailable);
    }

    #[test]
    fn an_answer_that_never_comes_is_given_up() {
        let mut schedule = Schedule::new(BOUNDS);
        schedule.begin(NOW);
        assert!(!schedule.is_due(after(7)));
        assert!(schedule.is_due(after(8)));
    }
}
