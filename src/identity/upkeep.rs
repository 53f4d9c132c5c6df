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
            Kind::Introspection(_) => true,
            Kind::ApiKey(_) | Kind::Mtls(_) => false,
        })
    }

    /// Does what is due at this moment.
    pub fn poll(&self, now: Duration, shared: &dyn SharedData) -> Upkeep {
        let mut upkeep = Upkeep::default();
        for (index, provider) in self.list.iter().enumerate() {
            let with_id = |(serial, call)| (CallId { provider: index, serial }, call);
            match &provider.kind {
                Kind::Jwt(jwt) => {
                    let Some(polled) = jwt.poll(now, shared) else { continue };
                    upkeep.calls.extend(polled.call.map(with_id));
                    upkeep.settles |= polled.is_news;
                    if polled.is_changed {
                        provider.forget_tokens();
                    }
                }
                Kind::Introspection(introspection) => {
                    upkeep.calls.extend(introspection.poll(now).into_iter().map(with_id));
                }
                Kind::ApiKey(_) | Kind::Mtls(_) => (),
            }
        }
        upkeep
    }

    /// Takes the answer to a call, or that there is none.
    pub fn answered(&self, id: CallId, answer: Option<Answer>, now: Duration, shared: &dyn SharedData) -> Upkeep {
        let Some(provider) = self.list.get(id.provider) else { return Upkeep::default() };
        let (call, note) = match &provider.kind {
            Kind::Jwt(jwt) => {
                let (call, note, is_changed) = jwt.answered(id.serial, answer, now, shared);
                if is_changed {
                    provider.forget_tokens();
                }
                (call, note)
            }
            Kind::Introspection(introspection) => (None, introspection.answered(id.serial, answer, now)),
            Kind::ApiKey(_) | Kind::Mtls(_) => (None, None),
        };
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
