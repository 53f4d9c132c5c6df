//! What the engine asks of other servers, or tells them: makes the calls, hands back the answers, and lets requests go on
//! that waited.
//!
//! Calls are made on the tick, since the answer comes to the context whose callback made the call and a stream can be
//! gone by then. A request that waits has the next tick come at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::types::Action;

use super::host::{self, Buffer, Map};
use super::meters;
use super::outboxes;
use super::root::{AT_ONCE, Held, Shared};
use super::stream::{Message, judge_again};
use crate::identity::{Answer, Call, CallId, SharedData, Upkeep};
use crate::metrics;

/// The calls that are under way, by the host's tokens.
#[derive(Default)]
pub(super) struct Errands(RefCell<HashMap<u32, (Errand, usize)>>);

/// What a call is for.
enum Errand {
    /// It asks something for a provider.
    Ask(CallId),
    /// It brings a batch of events to the audit repository.
    Deliver(u64),
}

impl Errands {
    /// Does what is due. It says whether requests that wait may be judged.
    pub(super) fn run(&self, shared: &Shared) -> bool {
        let upkeep = shared.engine.providers().poll(now(), &shared.data);
        self.attend(shared, upkeep)
    }

    /// The answer to a call has come; without a head it is that there is none.
    pub(super) fn answered(&self, shared: &Shared, token: u32, has_head: bool, size: usize) -> bool {
        let Some((id, max_body)) = self.0.borrow_mut().remove(&token) else { return false };
        let head = if has_head { host::headers(Map::CallResponseHeaders) } else { None };
        let answer = head.map(|head| {
            let body = match size {
                0 => Some(Vec::new()),
                _ if size > max_body => None,
                _ => host::body(Buffer::CallResponseBody, size).ok(),
            };
            Answer { head, body }
        });
        match id {
            Errand::Ask(id) => {
                let upkeep = shared.engine.providers().answered(id, answer, now(), &shared.data);
                self.attend(shared, upkeep)
            }
            Errand::Deliver(serial) => {
                if let Some(outbox) = &shared.outbox {
                    outboxes::answered(outbox, serial, answer, milliseconds());
                }
                self.deliver(shared);
                false
            }
        }
    }

    /// Sends what is to be sent to the audit repository.
    pub(super) fn deliver(&self, shared: &Shared) {
        let Some(outbox) = &shared.outbox else { return };
        while let Some((serial, call)) = outbox.poll(milliseconds()) {
            match dispatch(&call) {
                Some(token) => drop(self.0.borrow_mut().insert(token, (Errand::Deliver(serial), call.max_body))),
                // Nobody is there: it waits, and so does the loop end.
                None => outboxes::answered(outbox, serial, None, milliseconds()),
            }
        }
    }

    /// Makes calls. One that cannot be made is answered at once, and may have another one follow.
    fn attend(&self, shared: &Shared, upkeep: Upkeep) -> bool {
        let mut settles = false;
        let mut open = vec![upkeep];
        while let Some(Upkeep { calls, notes, settles: now_settles }) = open.pop() {
            settles |= now_settles;
            for note in &notes {
                meters::note(note);
                match &note.result {
                    _ if !note.is_news => (),
                    Ok(_) if note.faults.is_empty() => (),
                    Ok(_) => {
                        log::warn!("carewarden: some keys of `{}` are not used: {}", note.provider, note.faults.join("; "))
                    }
                    Err(failure) => log::warn!(
                        "carewarden: `{}` could not be asked: {failure}; it is asked again in {} s",
                        note.provider,
                        note.again_in.as_secs()
                    ),
                }
            }
            for (id, call) in calls {
                match dispatch(&call) {
                    Some(token) => drop(self.0.borrow_mut().insert(token, (Errand::Ask(id), call.max_body))),
                    None => open.push(shared.engine.providers().answered(id, None, now(), &shared.data)),
                }
            }
        }
        settles
    }
}

fn dispatch(call: &Call) -> Option<u32> {
    let head: Vec<(&str, &str)> = call.head.iter().map(|(name, value)| (*name, &**value)).collect();
    host::call_cluster(&call.cluster, &head, &call.body, call.timeout)
}

/// Judges again whatever waits until somebody has been asked about its caller.
pub(super) fn settle(shared: &Rc<Shared>) {
    let waiting: Vec<u32> = {
        let mut held = shared.held.borrow_mut();
        let news = shared.news.get();
        let open =
            held.iter_mut().filter(|(_, held)| held.waits && held.news != news && held.exchange.borrow().is_waiting());
        let judged = |(context, held): (&u32, &mut Held)| {
            held.news = news;
            *context
        };
        open.take(AT_ONCE).map(judged).collect()
    };
    if waiting.len() == AT_ONCE {
        shared.hurry();
    }
    for context in waiting {
        if host::act_for(context).is_ok() && judge_again(shared, context) == Action::Continue {
            let _ = host::resume(Message::Request.direction());
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn milliseconds() -> u64 {
    host::now() / 1_000_000
}

/// The time since 1970.
fn now() -> Duration {
    Duration::from_nanos(host::now())
}

/// Envoy's shared data. Modules without a VM id share one space with all others of the kind, which nobody may rely on.
pub(super) struct EnvoyData {
    has_vm_id: bool,
}

impl EnvoyData {
    pub(super) fn detect() -> Self {
        Self { has_vm_id: host::property("plugin_vm_id").is_some_and(|id| !id.is_empty()) }
    }
}

impl SharedData for EnvoyData {
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        if self.has_vm_id { host::shared_data(name) } else { None }
    }

    fn set(&self, name: &str, value: &[u8]) {
        if self.has_vm_id && host::set_shared_data(name, value).is_err() {
            log::warn!("carewarden: what was fetched could not be shared with the other workers");
        }
    }
}

/// Says how old keys are.
pub(super) fn report_ages(shared: &Shared) {
    for (provider, age) in shared.engine.providers().ages_of_keys(now()) {
        if let Some(age) = age {
            meters::set_of(metrics::JWKS_AGE, &[("provider", provider)], age.as_secs());
        }
    }
}
