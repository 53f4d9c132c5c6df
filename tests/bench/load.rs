//! A closed loop of HTTP/1.1 clients on kept-alive connections: each sends its next request when it has its answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a variant is asked.
pub(crate) enum Requests {
    /// The same request again and again.
    Same(Vec<u8>),
    /// Each once.
    Once { requests: Vec<Vec<u8>>, next: AtomicUsize },
}

impl Requests {
    pub(crate) fn once(requests: Vec<Vec<u8>>) -> Self {
        Self::Once { requests, next: AtomicUsize::new(0) }
    }

    /// The same from the beginning.
    pub(crate) fn again(&self) -> Arc<Self> {
        Arc::new(match self {
            Self::Same(request) => Self::Same(request.clone()),
            Self::Once { requests, .. } => Self::once(requests.clone()),
        })
    }

    /// The next one; `None` when all have been asked.
    pub(crate) fn next(&self) -> Option<&[u8]> {
        match self {
            Self::Same(request) => Some(request),
            Self::Once { requests, next } => requests.get(next.fetch_add(1, Ordering::Relaxed)).map(Vec::as_slice),
        }
    }
}

/// A `GET` with these further header lines, as a browser's or a client library's would be.
pub(crate) fn get(path: &str, headers: &str) -> Vec<u8> {
    let head = "host: fhir.clinic.example\r\naccept: application/fhir+json\r\naccept-language: en-US,en;q=0.9\r\n\
                user-agent: Mozilla/5.0 (X11; Linux x86_64) bench/1.0\r\n";
    format!("GET {path} HTTP/1.1\r\n{head}{headers}\r\n").into_bytes()
}

/// A `POST` of a FHIR document.
pub(crate) fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: fhir.clinic.example\r\naccept: application/fhir+json\r\n\
         content-type: application/fhir+json\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// How much a slice asks.
#[derive(Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) until: Instant,
    pub(crate) at_most: usize,
}

/// The connections to one listener.
pub(crate) struct Clients(Vec<Connection>);

impl Clients {
    pub(crate) async fn connect(to: SocketAddr, count: usize) -> io::Result<Self> {
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(Connection::open(to).await?);
        }
        Ok(Self(connections))
    }

    /// Asks until the slice is over; when this returns nothing is under way. How many answers came.
    pub(crate) async fn run(&mut self, requests: &Arc<Requests>, slice: Slice) -> io::Result<usize> {
        let begun = Arc::new(AtomicUsize::new(0));
        let start = |connection: Connection| tokio::spawn(connection.run(Arc::clone(requests), slice, Arc::clone(&begun)));
        let clients: Vec<_> = self.0.drain(..).map(start).collect();
        let mut answered = 0;
        for client in clients {
            let (connection, count) = client.await??;
            self.0.push(connection);
            answered += count;
        }
        Ok(answered)
    }
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 256 << 10] })
    }

    async fn run(mut self, requests: Arc<Requests>, slice: Slice, begun: Arc<AtomicUsize>) -> io::Result<(Self, usize)> {
        let mut answered = 0;
        while Instant::now() < slice.until && begun.fetch_add(1, Ordering::Relaxed) < slice.at_most {
            let Some(request) = requests.next() else { break };
            self.exchange(request, &mut |_| ()).await?;
            answered += 1;
        }
        Ok((self, answered))
    }

    /// Sends a request and reads its answer, handing each piece of the body on as it stands on the wire.
    pub(crate) async fn exchange(&mut self, request: &[u8], each: &mut (dyn FnMut(&[u8]) + Send)) -> io::Result<()> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let head = loop {
            filled += self.read(filled).await?;
            if let Some(end) = self.buffer[..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let mut rest = Rest::of(&self.buffer[..head])?;
        let mut piece = head..filled;
        loop {
            let bytes = &self.buffer[piece];
            each(bytes);
            if rest.is_over_after(bytes) {
                return Ok(());
            }
            piece = 0..self.read(0).await?;
        }
    }

    async fn read(&mut self, at: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.buffer[at..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }
}

/// What of a body is still to come.
enum Rest {
    Bytes(usize),
    /// Until the last chunk. No JSON ends in a line break of HTTP's kind, so its end is known by its last bytes.
    Chunks([u8; LAST_CHUNK.len()]),
}

const LAST_CHUNK: [u8; 5] = *b"0\r\n\r\n";

impl Rest {
    /// Every answer of a benchmark is a 200: a refusal would be fast and worth nothing.
    fn of(head: &[u8]) -> io::Result<Self> {
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        if !head.starts_with("http/1.1 200 ") {
            return Err(io::Error::other(format!("not the answer that was to be measured: {head}")));
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        Ok(length.and_then(|length| length.parse().ok()).map_or(Self::Chunks([0; LAST_CHUNK.len()]), Self::Bytes))
    }

    fn is_over_after(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::Bytes(left) => {
                *left = left.saturating_sub(bytes.len());
                *left == 0
            }
            Self::Chunks(seen) => {
                let new = bytes.len().min(seen.len());
                seen.rotate_left(new);
                let kept = seen.len() - new;
                seen[kept..].copy_from_slice(&bytes[bytes.len() - new..]);
                *seen == LAST_CHUNK
            }
        }
    }
}
