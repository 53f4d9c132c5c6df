//! One plugin configuration: loads the policy, and refuses streams that were held too long.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use super::errands::{self, EnvoyData, Errands};
use super::facts::EnvoyVerifier;
use super::host::{self, Buffer};
use super::meters;
use super::outboxes;
use super::stream::{Message, Stream, give_up, perform};
use crate::audit::delivery::Outbox;
use crate::exchange::{Engine, Exchange};
use crate::identity::CacheCounts;
use crate::metrics;
use crate::policy::diagnostic::Severity;

/// How often held streams are looked at.
const TICK_MS: u32 = 250;

/// Envoy sends replies one inside the other when a callback ends, so only so many a callback.
pub(super) const AT_ONCE: usize = 32;

/// A policy may not be longer than this.
const MAX_CONFIGURATION: usize = 16 << 20;

/// What all streams of one configuration share.
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) verifier: EnvoyVerifier,
    pub(super) data: EnvoyData,
    errands: Errands,
    /// Events for the audit repository.
    pub(super) outbox: Option<Rc<Outbox>>,
    /// The next tick was asked to come at once.
    hurries: Cell<bool>,
    /// How often something came to be known.
    pub(super) news: Cell<u64>,
    pub(super) held: RefCell<HashMap<u32, Held>>,
    pub(super) sequence: Cell<u64>,
    /// Bytes that streams hold in this module.
    pub(super) held_bytes: Cell<usize>,
    /// Lookups in the token cache that were counted.
    cache_counts: Cell<CacheCounts>,
}

/// A stream that waits for more.
pub(super) struct Held {
    pub(super) exchange: Rc<RefCell<Exchange>>,
    pub(super) message: Message,
    /// Nanoseconds since 1970.
    pub(super) deadline: u64,
    /// Whether a body callback came since the head was held.
    pub(super) saw_body: bool,
    /// It waits until somebody has been asked about its caller.
    pub(super) waits: bool,
    /// The news that it was judged by.
    pub(super) news: u64,
}

pub(super) struct Root {
    context: u32,
    shared: Option<Rc<Shared>>,
    /// Another configuration has taken its place; what is left is to deliver events.
    is_leaving: bool,
}

impl Shared {
    /// Has the next tick come at once: somebody has to be asked.
    pub(super) fn hurry(&self) {
        if !self.hurries.replace(true) {
            let _ = host::set_tick_period(1);
        }
    }
}

impl Root {
    pub(super) fn new(context: u32) -> Self {
        Self { context, shared: None, is_leaving: false }
    }

    fn load(&self) -> Option<Rc<Shared>> {
        let configuration = host::body(Buffer::PluginConfiguration, MAX_CONFIGURATION).unwrap_or_default();
        let (engine, found) = Engine::load(&configuration, &|name| std::env::var(name).ok());
        for diagnostic in &found {
            match diagnostic.severity {
                Severity::Error => log::error!("carewarden: policy {diagnostic}"),
                Severity::Warning => log::warn!("carewarden: policy {diagnostic}"),
            }
        }
        let engine = engine?;
        if engine.logs_records() && !host::shows_info() {
            log::error!(
                "carewarden: policy has `audit.log` but Envoy's log hides lines of level info (help: start Envoy with \
                         `--component-log-level wasm:info`, or take the records from the access log)"
            );
            return None;
        }
        let verifier = EnvoyVerifier::detect();
        if !verifier.is_available() {
            log::warn!("carewarden: this Envoy has no `verify_signature`; signatures are verified in the module, slower");
        }
        let (held, sequence, held_bytes, cache_counts, errands, hurries, news) = Default::default();
        let data = EnvoyData::detect();
        let outbox = engine.delivery().map(outboxes::of);
        Some(Rc::new(Shared {
            engine,
            verifier,
            data,
            errands,
            outbox,
            hurries,
            news,
            held,
            sequence,
            held_bytes,
            cache_counts,
        }))
    }

    /// Whether it has nothing left to deliver that nobody else delivers.
    fn has_delivered(&self) -> bool {
        let outbox = self.shared.as_ref().and_then(|shared| shared.outbox.as_ref());
        outbox.is_none_or(|outbox| outbox.is_done() || outboxes::is_shared(outbox))
    }

    fn refuse_overdue(&self, shared: &Shared) {
        let now = host::now();
        let overdue = shared.held.borrow_mut().extract_if(|_, held| held.deadline <= now).take(AT_ONCE).collect::<Vec<_>>();
        if overdue.len() == AT_ONCE {
            shared.hurry();
        }
        for (context, held) in overdue {
            if !held.saw_body && !held.waits {
                log::warn!(
                    "carewarden: a stream was held until its time was up and no body came; if every such stream ends \
                            so, `allow_on_headers_stop_iteration: true` is missing in the plugin's configuration"
                );
            }
            if host::act_for(context).is_err() {
                continue;
            }
            let effects = held.exchange.borrow_mut().timed_out();
            let action = perform(held.message, effects).unwrap_or_else(|_| give_up(held.message, &held.exchange));
            if action == Action::Continue {
                let _ = host::resume(held.message.direction());
            }
        }
        let _ = host::act_for(self.context);
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, size: usize, _: usize) {
        let Some(shared) = &self.shared else { return };
        if shared.errands.answered(shared, token, headers > 0, size) {
            shared.news.set(shared.news.get().wrapping_add(1));
            shared.hurry();
        }
    }

    /// Envoy has no more use for this configuration. It stays until its events are delivered, unless the one that follows
    /// has taken them over.
    fn on_done(&mut self) -> bool {
        self.is_leaving = true;
        self.has_delivered()
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.shared = self.load();
        let Some(shared) = &self.shared else { return false };
        meters::set(metrics::SHADOW_ROUTES, u64::try_from(shared.engine.shadow_routes()).unwrap_or(u64::MAX));
        report_memory();
        host::set_tick_period(TICK_MS).is_ok()
    }

    fn on_tick(&mut self) {
        let Some(shared) = &self.shared else { return };
        if self.is_leaving {
            shared.errands.deliver(shared);
            shared.outbox.iter().for_each(|outbox| outboxes::report(outbox));
            if self.has_delivered() {
                let _ = host::end_root();
            }
            return;
        }
        if shared.hurries.take() {
            let _ = host::set_tick_period(TICK_MS);
        }
        self.refuse_overdue(shared);
        if shared.engine.providers().has_remote() {
            if shared.errands.run(shared) {
                shared.news.set(shared.news.get().wrapping_add(1));
            }
            errands::settle(shared);
            let _ = host::act_for(self.context);
            errands::report_ages(shared);
        }
        shared.errands.deliver(shared);
        shared.outbox.iter().for_each(|outbox| outboxes::report(outbox));
        let (by_host, inside) = shared.verifier.take_counts();
        meters::grow(metrics::SIGNATURES_BY_HOST, by_host);
        meters::grow(metrics::SIGNATURES_IN_MODULE, inside);
        let counts = shared.engine.cache_counts();
        meters::count_cache(counts, shared.cache_counts.replace(counts));
        for (provider, key, at) in shared.engine.take_key_uses() {
            meters::set_named(metrics::API_KEY_LAST_USE, metrics::key_use(&provider, &key), at);
        }
        // The main thread has a module, too, which serves nothing: it would write over what a worker says.
        if shared.sequence.get() > 0 {
            report_memory();
        }
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(context, self.shared.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn report_memory() {
    const PAGE: u64 = 65_536;
    let pages = u64::try_from(core::arch::wasm32::memory_size(0)).unwrap_or(u64::MAX);
    meters::set(metrics::MEMORY, pages.saturating_mul(PAGE));
}
