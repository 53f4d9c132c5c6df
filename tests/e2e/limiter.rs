//! A rate limit service as Envoy's filter asks one (`envoy.service.ratelimit.v3`, over gRPC): it counts what it is asked about
//! by the descriptors, remembers them, and allows so many of each.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};

/// The entries of one descriptor, as `key=value` in order.
pub(crate) type Descriptor = Vec<String>;

/// A running service. It ends with the process.
pub(crate) struct Limiter {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<HashMap<Descriptor, u32>>>,
}

impl Limiter {
    /// Starts a service that allows this many requests of each descriptor, for ever.
    pub(crate) fn start(allowed: u32) -> Self {
        let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let shared = Arc::clone(&asked);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, allowed, Arc::clone(&shared)));
                }
            });
        });
        Self { address, asked }
    }

    /// How often it was asked about each descriptor.
    pub(crate) fn asked(&self) -> HashMap<Descriptor, u32> {
        self.asked.lock().expect("no panic while it is held").clone()
    }
}

async fn serve(stream: tokio::net::TcpStream, allowed: u32, asked: Arc<Mutex<HashMap<Descriptor, u32>>>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let asked = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut body = request.into_body();
            let mut message = Vec::new();
            while let Some(Ok(piece)) = body.data().await {
                message.extend_from_slice(&piece);
                let _open = body.flow_control().release_capacity(piece.len());
            }
            // A byte that says whether it is compressed, and the length in four.
            let descriptors = descriptors(message.get(5..).unwrap_or_default());
            let over = {
                let mut asked = asked.lock().expect("no panic while it is held");
                let counts = descriptors.into_iter().map(|own| {
                    let count = asked.entry(own).or_default();
                    *count += 1;
                    *count
                });
                counts.max().is_some_and(|most| most > allowed)
            };
            let answer = answer(over, allowed);
            let head = Response::builder().header("content-type", "application/grpc").body(()).expect("a head");
            let Ok(mut stream) = respond.send_response(head, false) else { return };
            let _sent = stream.send_data(Bytes::from(answer), false);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let _sent = stream.send_trailers(trailers);
        });
    }
}

/// `RateLimitResponse`: `overall_code` (1: OK, 2: OVER_LIMIT) and one status with its limit.
fn answer(over: bool, allowed: u32) -> Vec<u8> {
    let code = if over { 2 } else { 1 };
    let limit = [&[0x08][..], &varint(u64::from(allowed)), &[0x10, 1]].concat();
    let status = [&[0x08, code, 0x12][..], &varint(limit.len() as u64), &limit].concat();
    let message = [&[0x08, code, 0x12][..], &varint(status.len() as u64), &status].concat();
    [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push((number & 127) as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// The descriptors (field 2) of a `RateLimitRequest`, each with its entries (field 1), each with key (1) and value (2).
fn descriptors(request: &[u8]) -> Vec<Descriptor> {
    let entry = |entry: &[u8]| {
        let text = |number| fields(entry).into_iter().find(|field| field.0 == number).map_or(&[][..], |field| field.1);
        format!("{}={}", String::from_utf8_lossy(text(1)), String::from_utf8_lossy(text(2)))
    };
    let of = |message, number| fields(message).into_iter().filter(move |field: &(u64, &[u8])| field.0 == number);
    of(request, 2).map(|descriptor| of(descriptor.1, 1).map(|field| entry(field.1)).collect()).collect()
}

/// The fields of a protobuf message that have a length.
fn fields(mut message: &[u8]) -> Vec<(u64, &[u8])> {
    let mut found = Vec::new();
    while let Some((tag, rest)) = read_varint(message) {
        let Some((length, rest)) = read_varint(rest) else { break };
        if tag & 7 != 2 {
            message = rest;
            continue;
        }
        let (value, rest) = rest.split_at_checked(length as usize).unwrap_or((rest, &[]));
        found.push((tag >> 3, value));
        message = rest;
    }
    found
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| byte & 128 == 0)?;
    let number = bytes[..=end].iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 127));
    Some((number, &bytes[end + 1..]))
}
