//! One exchange: hands each callback to the engine and does what it says.
//!
//! A host call that fails leaves the message in a state that was not judged, so the exchange is refused: with a reply
//! while one can still be sent, by a reset afterwards. A stream without a policy refuses everything.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::errands;
use super::facts::{self, Connection};
use super::host::{self, Answer, Buffer, Map, Stream as Direction};
use super::meters;
use super::root::{Held, Shared};
use crate::audit::delivery::Room;
use crate::audit::event;
use crate::exchange::{Change, Effects, Exchange, Host, Next, Reply, Rule};
use crate::http::Headers;

/// What all streams of a configuration may hold in the module together. Over it new requests are refused with 503, and so
/// are answers that would hold more.
const HELD_BYTES_BUDGET: usize = 256 << 20;

pub(super) struct Stream {
    context: u32,
    shared: Option<Rc<Shared>>,
    exchange: Option<Rc<RefCell<Exchange>>>,
    /// What this stream's part of `held_bytes` is.
    held_bytes: usize,
    /// Room for the event of the exchange.
    room: Option<Room>,
    counted: bool,
    /// Its event has been handed over, or there is none.
    told: bool,
}

/// Which message a callback is about.
#[derive(Clone, Copy)]
pub(super) enum Message {
    Request,
    Response,
}

impl Message {
    pub(super) fn direction(self) -> Direction {
        match self {
            Self::Request => Direction::Request,
            Self::Response => Direction::Response,
        }
    }

    fn head(self) -> Map {
        match self {
            Self::Request => Map::RequestHeaders,
            Self::Response => Map::ResponseHeaders,
        }
    }

    fn trailers(self) -> Map {
        match self {
            Self::Request => Map::RequestTrailers,
            Self::Response => Map::ResponseTrailers,
        }
    }

    fn body(self) -> Buffer {
        match self {
            Self::Request => Buffer::RequestBody,
            Self::Response => Buffer::ResponseBody,
        }
    }
}

impl Stream {
    pub(super) fn new(context: u32, shared: Option<Rc<Shared>>) -> Self {
        let exchange = shared.as_ref().map(|shared| {
            let sequence = shared.sequence.get().saturating_add(1);
            shared.sequence.set(sequence);
            Rc::new(RefCell::new(Exchange::new(&shared.engine, sequence)))
        });
        Self { context, shared, exchange, held_bytes: 0, room: None, counted: false, told: false }
    }

    /// Lets the exchange judge something of the answer, unless the answer passes whatever it holds.
    fn judge_answer(&mut self, event: impl FnOnce(&mut Exchange, &Host<'_>) -> Effects) -> Action {
        match &self.exchange {
            Some(exchange) if exchange.borrow_mut().lets_answer_pass() => Action::Continue,
            _ => self.judge(Message::Response, event),
        }
    }

    /// Lets the exchange judge an event, and does what it says.
    fn judge(&mut self, message: Message, event: impl FnOnce(&mut Exchange, &Host<'_>) -> Effects) -> Action {
        let (Some(shared), Some(exchange)) = (self.shared.clone(), self.exchange.clone()) else {
            perform_reply(&Reply::without_policy());
            return Action::Pause;
        };
        let now_ns = host::now();
        let host = Host { now_ns, facts: &Connection, verifier: &shared.verifier };
        let mut effects = event(&mut exchange.borrow_mut(), &host);
        self.account(&shared, exchange.borrow().held_bytes());
        // Requests that were let in together can ask for more together than each would alone.
        if self.held_bytes > 0 && shared.held_bytes.get() > HELD_BYTES_BUDGET {
            effects = exchange.borrow_mut().refuse_over_capacity();
            self.account(&shared, exchange.borrow().held_bytes());
        }
        // Told at once: a client that never reads the refusal cannot keep the room that was taken for its event.
        if let (Message::Request, Next::Reply(reply)) = (message, &effects.next) {
            let mut exchange = exchange.borrow_mut();
            exchange.close(now_ns, Some(reply.status));
            self.deliver(&shared, &exchange);
        }
        hold(&shared, self.context, &exchange, message, &effects.next, now_ns);
        perform(message, effects).unwrap_or_else(|_| {
            release(&shared, self.context);
            give_up(message, &exchange)
        })
    }

    /// Takes room for the event of this exchange. An exchange that finds none is refused where the policy says so.
    fn reserve(&mut self, head: Option<&Headers>) {
        let outbox = self.shared.as_ref().and_then(|shared| shared.outbox.clone());
        let (Some(outbox), Some(exchange)) = (outbox, &self.exchange) else { return };
        let field = |name| head.and_then(|head| head.first(name)).unwrap_or_default();
        // Only a form has a type that goes on so behind `application/`.
        let may_bring_form = field(":method") == b"POST"
            && field("content-type").get(12).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'x'));
        self.room = outbox.reserve(event::bound(field(":path").len(), may_bring_form));
        if self.room.is_none() && outbox.refuses() {
            exchange.borrow_mut().lacks_room();
        }
    }

    /// Hands the event of an exchange that has ended to who delivers it.
    fn deliver(&mut self, shared: &Shared, exchange: &Exchange) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let (Some(outbox), Some(event)) = (&shared.outbox, exchange.event()) else { return };
        match self.room.take() {
            Some(room) => room.fill(event, errands::milliseconds()),
            None if exchange.was_refused_for_room() => outbox.count_refused(),
            None => outbox.offer(event, errands::milliseconds()),
        }
    }

    fn account(&mut self, shared: &Shared, held: usize) {
        let others = shared.held_bytes.get().saturating_sub(self.held_bytes);
        shared.held_bytes.set(others.saturating_add(held));
        self.held_bytes = held;
    }
}

/// Ends a stream's being held, if it is.
fn release(shared: &Shared, context: u32) -> Option<Held> {
    let mut held = shared.held.borrow_mut();
    // Most streams are not, and then there is nothing to hash.
    if held.is_empty() { None } else { held.remove(&context) }
}

/// Keeps account of what is held, and until when.
fn hold(shared: &Shared, context: u32, exchange: &Rc<RefCell<Exchange>>, message: Message, next: &Next, now_ns: u64) {
    let before = release(shared, context);
    let (timeout, waits) = match next {
        Next::Hold(timeout) => (timeout, false),
        Next::Await(timeout) => (timeout, true),
        _ => return,
    };
    let timeout = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    // A body that trickles does not buy more time.
    let before = before.filter(|before| before.waits == waits);
    let deadline = before.as_ref().map_or(now_ns.saturating_add(timeout), |before| before.deadline);
    // A part of a body is no judgement by what came to be known since.
    let news = before.as_ref().map_or(shared.news.get(), |before| before.news);
    let held = Held { exchange: Rc::clone(exchange), message, deadline, saw_body: before.is_some(), waits, news };
    shared.held.borrow_mut().insert(context, held);
    if waits {
        shared.hurry();
    }
}

/// Judges a request again that waited, as the stream at hand.
pub(super) fn judge_again(shared: &Rc<Shared>, context: u32) -> Action {
    let exchange = match shared.held.borrow().get(&context) {
        Some(held) => Rc::clone(&held.exchange),
        None => return Action::Pause,
    };
    let now_ns = host::now();
    let host = Host { now_ns, facts: &Connection, verifier: &shared.verifier };
    let effects = exchange.borrow_mut().resume(&|size| host::body(Buffer::RequestBody, size).ok(), &host);
    hold(shared, context, &exchange, Message::Request, &effects.next, now_ns);
    perform(Message::Request, effects).unwrap_or_else(|_| {
        shared.held.borrow_mut().remove(&context);
        give_up(Message::Request, &exchange)
    })
}

/// Refuses an exchange for which a host call failed.
pub(super) fn give_up(message: Message, exchange: &RefCell<Exchange>) -> Action {
    let effects = exchange.borrow_mut().fail();
    perform(message, effects).unwrap_or(Action::Pause)
}

/// Does what an exchange said about a message.
pub(super) fn perform(message: Message, effects: Effects) -> Answer<Action> {
    let Effects { changes, body, drop_trailers, descriptors, next } = effects;
    for change in &changes {
        match change {
            Change::Set(name, value) => host::set_header(message.head(), name, value)?,
            Change::Add(name, value) => host::add_header(message.head(), name, value)?,
            Change::Remove(name) => host::remove_header(message.head(), name)?,
        }
    }
    if let Some(body) = body {
        host::replace_body(message.body(), &body)?;
    }
    if drop_trailers {
        host::clear_headers(message.trailers())?;
    }
    for (name, value) in descriptors {
        host::set_property(name, value.as_bytes())?;
    }
    Ok(match next {
        Next::Continue => Action::Continue,
        Next::Hold(_) | Next::Await(_) => Action::Pause,
        Next::Reply(reply) => {
            perform_reply(&reply);
            Action::Pause
        }
        Next::Reset => {
            host::reset(message.direction())?;
            Action::Pause
        }
    })
}

/// Sends a reply. Where that fails the stream is broken off.
fn perform_reply(reply: &Reply) {
    let headers: Vec<(&str, &[u8])> = reply.headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    if host::reply(reply.status, &format!("carewarden_{}", reply.details), &headers, &reply.body).is_err() {
        let _ = host::reset(Direction::Request);
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        let head = host::headers(Map::RequestHeaders);
        self.reserve(head.as_ref());
        let over_budget = self.shared.as_ref().is_some_and(|shared| shared.held_bytes.get() > HELD_BYTES_BUDGET);
        #[cfg(feature = "trap")]
        trap_if_asked();
        self.judge(Message::Request, |exchange, host| {
            if over_budget {
                return exchange.turn_away(Rule::OverCapacity.into(), host.now_ns);
            }
            exchange.request_head(head, end, host)
        })
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.judge(Message::Request, |exchange, host| {
            exchange.request_body(size, end, &|| host::body(Buffer::RequestBody, size).ok(), host)
        })
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.judge(Message::Request, |exchange, host| {
            exchange.request_trailers(&|| host::body(Buffer::RequestBody, usize::MAX).ok(), host)
        })
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        if let Some(exchange) = self.exchange.as_ref().filter(|exchange| exchange.borrow().awaits_location()) {
            let location = host::pseudo_header(Map::ResponseHeaders, "location").unwrap_or_default();
            exchange.borrow_mut().note_location(&location);
        }
        self.judge_answer(|exchange, host| exchange.answer_head(&|| host::headers(Map::ResponseHeaders), end, host))
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.judge_answer(|exchange, _| exchange.answer_body(size, end, &|| host::body(Buffer::ResponseBody, size).ok()))
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.judge_answer(|exchange, _| exchange.answer_trailers())
    }

    fn on_log(&mut self) {
        let (Some(shared), Some(exchange)) = (self.shared.clone(), self.exchange.clone()) else { return };
        release(&shared, self.context);
        self.account(&shared, 0);
        if std::mem::replace(&mut self.counted, true) {
            return;
        }
        let mut exchange = exchange.borrow_mut();
        // A head that was held may never have left; one that passed has, and says the same at half the cost.
        let status = if exchange.lets_answer_pass() { facts::status() } else { facts::response_code() };
        let record = exchange.close(host::now(), status);
        meters::count(record);
        let line = record.to_line();
        // The access log reads this after us. Without it the record is lost, and that must be seen.
        if host::set_property("carewarden.audit", line.as_bytes()).is_err() {
            log::warn!("carewarden: a record could not be handed to the access log");
        }
        if shared.engine.logs_records() {
            log::info!("carewarden: {line}");
        }
        self.deliver(&shared, &exchange);
    }
}

/// What no request can make this module do, for the test of what happens then.
#[cfg(feature = "trap")]
fn trap_if_asked() {
    if host::headers(Map::RequestHeaders).is_some_and(|headers| headers.single("x-trap").is_ok_and(|value| value.is_some()))
    {
        core::arch::wasm32::unreachable();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.clone() {
            release(&shared, self.context);
            self.account(&shared, 0);
        }
    }
}
