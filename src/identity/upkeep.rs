//! What providers do of their own accord: ask other servers, and take their answers.

use std::rc::Rc;
use std::time::Duration;

use super::call::{Answer, CallId, SharedData, Upkeep};
use super::{Kind, Providers};

impl Providers {
    /// Whether any of them asks other servers.
    pub fn has_remote(&self) -> bool {
        self.list.iter().any(|provider| match &provider.kind {
            Kind::Jwt(jwt) => jwt.is_remote(),
            Kind::ApiKey(_) => false,
        })
    }

    /// Does what is due at this moment.
    pub fn poll(&self, now: Duration, shared: &dyn SharedData) -> Upkeep {
        let mut upkeep = Upkeep::default();
        for (index, provider) in self.list.iter().enumerate() {
            let Kind::Jwt(jwt) = &provider.kind else { continue };
            let (call, settles) = jwt.poll(now, shared);
            upkeep.calls.extend(call.map(|(serial, call)| (CallId { provider: index, serial }, call)));
            upkeep.settles |= settles;
        }
        upkeep
    }

    /// Takes the answer to a call, or that there is none.
    pub fn answered(&self, id: CallId, answer: Option<Answer>, now: Duration, shared: &dyn SharedData) -> Upkeep {
        let Some(Kind::Jwt(jwt)) = self.list.get(id.provider).map(|provider| &provider.kind) else {
            return Upkeep::default();
        };
        let (call, note) = jwt.answered(id.serial, answer, now, shared);
        Upkeep {
            calls: call.map(|(serial, call)| (CallId { serial, ..id }, call)).into_iter().collect(),
            settles: note.is_some(),
            notes: note.into_iter().collect(),
        }
    }

    /// The providers whose keys are fetched, and how long ago they were, where there are any.
    pub fn ages_of_keys(&self, now: Duration) -> impl Iterator<Item = (&Rc<str>, Option<Duration>)> {
        self.list.iter().filter_map(move |provider| match &provider.kind {
            Kind::Jwt(jwt) if jwt.is_remote() => Some((&provider.name, jwt.age_of_keys(now))),
            _ => None,
        })
    }
}
