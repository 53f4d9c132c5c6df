//! An HTTP/1.1 server that does as each test tells it, honest or not, and remembers what reached it.
//!
//! A reply belongs to a path, with or without its query; a path that no test named is answered 404. Replies are written
//! step by step, so that a test says where the pieces of a body fall, where they stall and where the connection breaks.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::Value;

use super::h1;
use super::message::{self, Fields};

/// A running server. It ends with the process.
pub struct Upstream {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    otherwise: Otherwise,
    seen: Mutex<Vec<Seen>>,
    remembers: bool,
}

/// Answers what no reply was set for.
type Otherwise = Box<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// A request that reached the upstream.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
}

impl Seen {
    /// The values of a header, in order.
    pub fn all(&self, name: &str) -> Vec<String> {
        message::all(&self.headers, name)
    }
}

impl Upstream {
    /// Starts a server on a port of the system's choice.
    pub fn start() -> Self {
        let otherwise = |_: &Seen| Reply::new(404).header("content-type", "text/plain").body("no such thing");
        Self::serving(0, otherwise).expect("a loopback port")
    }

    /// Starts a server on a port of loopback, which answers by itself what it is not told how to answer.
    pub fn serving(port: u16, otherwise: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> io::Result<Self> {
        Self::on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)))?, otherwise)
    }

    /// Starts a server on a socket that listens.
    pub fn on(listener: TcpListener, otherwise: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> io::Result<Self> {
        Self::listen(listener, true, Box::new(otherwise))
    }

    /// Starts a server on any address, which does not remember what it saw: for long runs.
    pub fn forgetful(address: SocketAddr, otherwise: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> io::Result<Self> {
        Self::listen(TcpListener::bind(address)?, false, Box::new(otherwise))
    }

    fn listen(listener: TcpListener, remembers: bool, otherwise: Otherwise) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { replies: Mutex::default(), otherwise, seen: Mutex::default(), remembers });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.serve(&stream));
            }
        });
        Ok(Self { address, shared })
    }

    /// Sets the reply to a path, which may name a query too.
    pub fn reply(&self, path: &str, reply: Reply) {
        lock(&self.shared.replies).insert(path.to_owned(), reply);
    }

    /// The requests seen for a path, its query left aside.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        lock(&self.shared.seen).iter().filter(|seen| without_query(&seen.path) == path).cloned().collect()
    }

    /// Everything seen.
    pub fn all_seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }
}

impl Shared {
    /// Serves one connection, request by request, until either side has enough.
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some((line, headers)) = h1::read_head(&mut reader) {
            let mut words = line.split(' ').map(str::to_owned);
            let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let has_body = headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding");
            let mut body = Vec::new();
            let mut trailers = Some(Fields::new());
            if has_body {
                trailers = h1::read_body(&mut reader, &headers, &mut |piece| body.extend_from_slice(piece));
            }
            let whole = trailers.is_some();
            let to_head = method == "HEAD";
            let seen = Seen { method, path, headers, body, trailers: trailers.unwrap_or_default() };
            let reply = self.reply(&seen);
            if self.remembers {
                lock(&self.seen).push(seen);
            }
            if !whole || reply.play(stream, to_head).is_err() || reply.closes {
                break;
            }
        }
        let _closed_already = stream.shutdown(Shutdown::Both);
    }

    fn reply(&self, seen: &Seen) -> Reply {
        let replies = lock(&self.replies);
        let reply = replies.get(&seen.path).or_else(|| replies.get(without_query(&seen.path)));
        reply.cloned().unwrap_or_else(|| (self.otherwise)(seen))
    }
}

/// An answer, step by step.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    status: u16,
    interim: Vec<u8>,
    headers: Fields,
    body: Vec<u8>,
    piece: Option<usize>,
    repeat: usize,
    opening: Vec<u8>,
    closing: Vec<u8>,
    pause: Option<Pause>,
    trailers: Fields,
    cut_after: Option<usize>,
    announced: Option<usize>,
    closes: bool,
    raw: Option<Vec<u8>>,
}

/// What happens before the last piece of a body is sent.
#[derive(Clone, Debug)]
enum Pause {
    For(Duration),
    Until(Gate),
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// FHIR JSON with status 200.
    pub fn fhir(body: &Value) -> Self {
        Self::new(200).header("content-type", "application/fhir+json").body(body.to_string())
    }

    /// JSON that is no FHIR, with status 200.
    pub fn json(body: &Value) -> Self {
        Self::new(200).header("content-type", "application/json").body(body.to_string())
    }

    /// Bytes written to the connection as they are, which is then closed.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self { raw: Some(bytes.as_ref().to_vec()), closes: true, ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// The body as it will be sent.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Sends the body chunked, in pieces of this many bytes, each in a segment of its own.
    pub fn pieces(mut self, bytes: usize) -> Self {
        self.piece = Some(bytes);
        self
    }

    /// Sends this before the body: once, however often the body is repeated.
    pub fn opening(mut self, opening: impl AsRef<[u8]>) -> Self {
        self.opening = opening.as_ref().to_vec();
        self
    }

    /// Sends the body this many times over, then `closing`: long answers without holding them.
    pub fn repeat(mut self, times: usize, closing: impl AsRef<[u8]>) -> Self {
        self.repeat = times;
        self.closing = closing.as_ref().to_vec();
        self
    }

    /// Waits before the last piece.
    pub fn stall(mut self, time: Duration) -> Self {
        self.pause = Some(Pause::For(time));
        self
    }

    /// Sends the last piece only when the gate is opened.
    pub fn hold(mut self, gate: &Gate) -> Self {
        self.pause = Some(Pause::Until(gate.clone()));
        self
    }

    /// Compresses the body and says so.
    pub fn gzip(mut self) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&self.body).expect("memory");
        self.body = encoder.finish().expect("memory");
        self.header("content-encoding", "gzip")
    }

    /// Compresses the body as `deflate` (RFC 9110: the zlib format) and says so.
    pub fn deflate(mut self) -> Self {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&self.body).expect("memory");
        self.body = encoder.finish().expect("memory");
        self.header("content-encoding", "deflate")
    }

    /// Adds a trailer, which makes the body chunked.
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.trailers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sends an interim response (1xx) first.
    pub fn interim(mut self, status: u16, headers: &[(&str, &str)]) -> Self {
        self.interim.extend_from_slice(format!("HTTP/1.1 {status} Interim\r\n").as_bytes());
        let fields = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        h1::write_fields(&mut self.interim, &fields);
        self.interim.extend_from_slice(b"\r\n");
        self
    }

    /// Resets the connection after this many bytes of the body.
    pub fn reset_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self
    }

    /// Announces this `content-length`, whatever the body is, and closes the connection after the body.
    pub fn announce(mut self, length: usize) -> Self {
        self.announced = Some(length);
        self.closes = true;
        self
    }

    fn play(&self, mut stream: &TcpStream, to_head: bool) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        if let Some(raw) = &self.raw {
            return stream.write_all(raw);
        }
        let chunked = self.piece.is_some() || self.repeat > 0 || !self.trailers.is_empty() || self.pause.is_some();
        let chunked = chunked && self.announced.is_none();
        stream.write_all(&self.head(chunked))?;
        if to_head || matches!(self.status, 204 | 304) {
            return Ok(());
        }
        if let Some(bytes) = self.cut_after {
            stream.write_all(self.body.get(..bytes).unwrap_or(&self.body))?;
            // Time for what was sent to be read: a reset overtakes data that still waits.
            thread::sleep(Duration::from_millis(100));
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if !chunked {
            return stream.write_all(&self.body);
        }
        self.chunks(&mut stream)?;
        let mut last = b"0\r\n".to_vec();
        h1::write_fields(&mut last, &self.trailers);
        last.extend_from_slice(b"\r\n");
        stream.write_all(&last)
    }

    fn head(&self, chunked: bool) -> Vec<u8> {
        let mut head = self.interim.clone();
        head.extend_from_slice(format!("HTTP/1.1 {} Status\r\n", self.status).as_bytes());
        h1::write_fields(&mut head, &self.headers);
        if chunked {
            head.extend_from_slice(b"transfer-encoding: chunked\r\n");
        } else if !matches!(self.status, 204 | 304) {
            let length = self.announced.unwrap_or(self.body.len());
            head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    fn chunks(&self, stream: &mut &TcpStream) -> io::Result<()> {
        let piece = self.piece.unwrap_or(self.body.len()).max(1);
        let pieces: Vec<&[u8]> = self.body.chunks(piece).collect();
        let (last, first) = match (self.repeat, pieces.split_last()) {
            (0, Some((last, first))) => (*last, first),
            _ => (self.closing.as_slice(), pieces.as_slice()),
        };
        h1::write_chunk(stream, &self.opening)?;
        for _ in 0..self.repeat.max(1) {
            for piece in first {
                h1::write_chunk(stream, piece)?;
            }
        }
        match &self.pause {
            Some(Pause::For(time)) => thread::sleep(*time),
            Some(Pause::Until(gate)) => gate.pass(),
            None => {}
        }
        h1::write_chunk(stream, last)
    }
}

/// Holds an answer back until a test has seen what it wanted to see.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Lets what waits, and what comes, pass.
    pub fn open(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let closed = self.0.1.wait_timeout_while(lock(&self.0.0), Duration::from_secs(60), |open| !*open);
        drop(closed.unwrap_or_else(PoisonError::into_inner));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}
