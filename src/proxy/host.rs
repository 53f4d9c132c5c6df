//! The calls to the host, and the only file of the crate with `unsafe`.
//!
//! The SDK's wrappers panic on any status they do not expect and on header text that is not UTF-8, and a panic here is a
//! trap that ends every stream of the worker. So the imports of the proxy-wasm ABI 0.2.1 are declared again, and each
//! wrapper gives back what the host said. Nothing here decides anything.

#![expect(unsafe_code, reason = "the host is reached through imported functions and raw pointers")]

use std::ptr;
use std::time::Duration;

use crate::http::Headers;

/// What the host answered when it did not answer `Ok` (proxy-wasm ABI 0.2.1, `proxy_status_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    NotFound,
    BadArgument,
    Other(u32),
}

pub(super) type Answer<T> = Result<T, Failure>;

#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    CallResponseHeaders = 6,
}

#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Metric {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Stream {
    Request = 0,
    Response = 1,
}

mod abi {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) safe fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) safe fn proxy_continue_stream(stream: u32) -> u32;
        pub(super) safe fn proxy_close_stream(stream: u32) -> u32;
        pub(super) safe fn proxy_done() -> u32;
        pub(super) safe fn proxy_set_effective_context(context: u32) -> u32;
        pub(super) safe fn proxy_increment_metric(metric: u32, offset: i64) -> u32;
        pub(super) safe fn proxy_record_metric(metric: u32, value: u64) -> u32;
        pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        pub(super) fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_log_level(level: *mut u32) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, size: usize, metric: *mut u32) -> u32;
        pub(super) fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
        pub(super) fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_add_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_remove_header_map_value(map: u32, name: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_buffer_bytes(
            buffer: u32,
            start: usize,
            size: usize,
            data: *const u8,
            data_size: usize,
        ) -> u32;
        pub(super) fn proxy_get_property(path: *const u8, size: usize, data: *mut *mut u8, data_size: *mut usize) -> u32;
        pub(super) fn proxy_get_shared_data(
            name: *const u8,
            name_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            version: *mut u32,
        ) -> u32;
        pub(super) fn proxy_set_shared_data(
            name: *const u8,
            name_size: usize,
            data: *const u8,
            size: usize,
            version: u32,
        ) -> u32;
        pub(super) fn proxy_set_property(path: *const u8, size: usize, data: *const u8, data_size: usize) -> u32;
        pub(super) fn proxy_call_foreign_function(
            name: *const u8,
            name_size: usize,
            argument: *const u8,
            argument_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
    }
}

fn done(status: u32) -> Answer<()> {
    match status {
        0 => Ok(()),
        1 => Err(Failure::NotFound),
        2 => Err(Failure::BadArgument),
        other => Err(Failure::Other(other)),
    }
}

/// Makes a call that answers with bytes, and takes them over.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Answer<Vec<u8>> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    done(call(&raw mut data, &raw mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host wrote `size` bytes to memory that it asked `proxy_on_memory_allocate` for, which the SDK makes
    // from a boxed slice of exactly that size, and it keeps no pointer to it.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Nanoseconds since 1970.
pub(super) fn now() -> u64 {
    let mut time = 0;
    // SAFETY: `time` lives through the call, and the host writes one u64.
    let status = unsafe { abi::proxy_get_current_time_nanoseconds(&raw mut time) };
    // Without a clock no token is young enough: the end of time refuses them all.
    if status == 0 { time } else { u64::MAX }
}

pub(super) fn log(level: log::Level, text: &str) {
    let level = match level {
        log::Level::Trace => 0,
        log::Level::Debug => 1,
        log::Level::Info => 2,
        log::Level::Warn => 3,
        log::Level::Error => 4,
    };
    // SAFETY: the host reads `text` during the call. A line that cannot be logged cannot be reported either.
    let _ = unsafe { abi::proxy_log(level, text.as_ptr(), text.len()) };
}

/// Whether Envoy's log shows lines of level `info`.
pub(super) fn shows_info() -> bool {
    let mut level = 0;
    // SAFETY: `level` lives through the call, and the host writes one u32.
    let status = unsafe { abi::proxy_get_log_level(&raw mut level) };
    status == 0 && level <= 2
}

pub(super) fn set_tick_period(milliseconds: u32) -> Answer<()> {
    done(abi::proxy_set_tick_period_milliseconds(milliseconds))
}

/// Says that a root context which had something left to do is done.
pub(super) fn end_root() -> Answer<()> {
    done(abi::proxy_done())
}

pub(super) fn resume(stream: Stream) -> Answer<()> {
    done(abi::proxy_continue_stream(stream as u32))
}

pub(super) fn reset(stream: Stream) -> Answer<()> {
    done(abi::proxy_close_stream(stream as u32))
}

/// Makes the calls that follow about another context.
pub(super) fn act_for(context: u32) -> Answer<()> {
    done(abi::proxy_set_effective_context(context))
}

pub(super) fn define_metric(kind: Metric, name: &str) -> Answer<u32> {
    let mut metric = 0;
    // SAFETY: `name` and `metric` live through the call, and the host writes one u32.
    done(unsafe { abi::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut metric) })?;
    Ok(metric)
}

pub(super) fn add(metric: u32, offset: i64) {
    // A counter that cannot be counted must not stop a request; the host refuses only what is not positive.
    let _ = abi::proxy_increment_metric(metric, offset);
}

pub(super) fn record(metric: u32, value: u64) {
    let _ = abi::proxy_record_metric(metric, value);
}

pub(super) fn headers(map: Map) -> Option<Headers> {
    // SAFETY: `bytes` gives pointers that live through the call.
    let pairs = bytes(|data, size| unsafe { abi::proxy_get_header_map_pairs(map as u32, data, size) }).ok()?;
    Headers::from_host(pairs)
}

/// Takes every field out of a map.
pub(super) fn clear_headers(map: Map) -> Answer<()> {
    let none = serialise(&[]);
    // SAFETY: the host reads `none` during the call.
    done(unsafe { abi::proxy_set_header_map_pairs(map as u32, none.as_ptr(), none.len()) })
}

pub(super) fn set_header(map: Map, name: &str, value: &[u8]) -> Answer<()> {
    // SAFETY: the host reads both during the call.
    done(unsafe { abi::proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Adds a field, whether or not there is one of this name.
pub(super) fn add_header(map: Map, name: &str, value: &[u8]) -> Answer<()> {
    // SAFETY: the host reads both during the call.
    done(unsafe { abi::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// The value of a field that stands once in any message, such as `:status`: of several Envoy gives the first.
pub(super) fn pseudo_header(map: Map, name: &str) -> Option<Vec<u8>> {
    // SAFETY: the host reads `name` during the call, and `bytes` gives pointers that live through it.
    bytes(|data, size| unsafe { abi::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size) }).ok()
}

pub(super) fn remove_header(map: Map, name: &[u8]) -> Answer<()> {
    // SAFETY: the host reads `name` during the call.
    done(unsafe { abi::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

pub(super) fn body(buffer: Buffer, max: usize) -> Answer<Vec<u8>> {
    // SAFETY: `bytes` gives pointers that live through the call.
    bytes(|data, size| unsafe { abi::proxy_get_buffer_bytes(buffer as u32, 0, max, data, size) })
}

/// Puts `data` in place of all that the buffer holds.
pub(super) fn replace_body(buffer: Buffer, data: &[u8]) -> Answer<()> {
    // SAFETY: the host reads `data` during the call.
    done(unsafe { abi::proxy_set_buffer_bytes(buffer as u32, 0, usize::MAX, data.as_ptr(), data.len()) })
}

/// The property at a path whose steps are parted by zero bytes.
pub(super) fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: the host reads `path` during the call, and `bytes` gives pointers that live through it.
    bytes(|data, size| unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), data, size) }).ok()
}

/// What modules of the same VM id share under a name.
pub(super) fn shared_data(name: &str) -> Option<Vec<u8>> {
    let mut version = 0;
    // SAFETY: the host reads `name` during the call and writes one u32; `bytes` gives pointers that live through it.
    bytes(|data, size| unsafe { abi::proxy_get_shared_data(name.as_ptr(), name.len(), data, size, &raw mut version) }).ok()
}

pub(super) fn set_shared_data(name: &str, data: &[u8]) -> Answer<()> {
    const ANY_VERSION: u32 = 0;
    // SAFETY: the host reads both during the call.
    done(unsafe { abi::proxy_set_shared_data(name.as_ptr(), name.len(), data.as_ptr(), data.len(), ANY_VERSION) })
}

/// Calls a cluster, from a callback of the root context: the answer comes to the context whose callback made the call.
///
/// This goes through the SDK, which panics on an answer to a call that it does not know. It gives back the host's two
/// refusals (a bad cluster or head, no connection) and would panic on others, which Envoy does not have.
pub(super) fn call_cluster(cluster: &str, head: &[(&str, &str)], body: &[u8], timeout: Duration) -> Option<u32> {
    let body = (!body.is_empty()).then_some(body);
    proxy_wasm::hostcalls::dispatch_http_call(cluster, head.to_vec(), body, Vec::new(), timeout).ok()
}

pub(super) fn set_property(name: &str, value: &[u8]) -> Answer<()> {
    // SAFETY: the host reads both during the call.
    done(unsafe { abi::proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

pub(super) fn call(function: &str, argument: &[u8]) -> Answer<Vec<u8>> {
    // SAFETY: the host reads both during the call, and `bytes` gives pointers that live through it.
    bytes(|data, size| unsafe {
        let (name, argument) = ((function.as_ptr(), function.len()), (argument.as_ptr(), argument.len()));
        abi::proxy_call_foreign_function(name.0, name.1, argument.0, argument.1, data, size)
    })
}

/// Answers the request in place of the upstream. `details` becomes `%RESPONSE_CODE_DETAILS%`.
pub(super) fn reply(status: u16, details: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Answer<()> {
    const NO_GRPC_STATUS: i32 = -1;
    let pairs = serialise(headers);
    // SAFETY: the host reads all of it during the call.
    done(unsafe {
        abi::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            pairs.as_ptr(),
            pairs.len(),
            NO_GRPC_STATUS,
        )
    })
}

/// Pairs in the host's form; see [`Headers::from_host`].
fn serialise(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = word(pairs.len()).to_vec();
    for (name, value) in pairs {
        out.extend(word(name.len()));
        out.extend(word(value.len()));
    }
    for (name, value) in pairs {
        out.extend(name.as_bytes());
        out.push(0);
        out.extend_from_slice(value);
        out.push(0);
    }
    out
}
