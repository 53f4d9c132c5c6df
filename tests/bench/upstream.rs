//! A server that answers as fast as it can: one resource, one Bundle of 1 MB, an export without end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::resources;

pub(crate) const PATIENT: &str = "/fhir/Patient/p1";
pub(crate) const BUNDLE: &str = "/fhir/Patient?_count=1000";
pub(crate) const EXPORT: &str = "/fhir/Patient?_count=999";

/// How much an export sends.
pub(crate) const EXPORT_BYTES: usize = 1 << 30;

/// The answers, written once.
struct Answers {
    patient: Vec<u8>,
    bundle: Vec<u8>,
    lines: Vec<u8>,
}

/// Starts the server on the runtime at hand; it ends with it.
pub(crate) async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    let patient = answer(resources::patient(1).to_string().as_bytes());
    let lines: String = (0..200).map(|number| format!("{}\n", resources::patient(number))).collect();
    let answers = Answers { patient, bundle: answer(resources::bundle().as_bytes()), lines: lines.into_bytes() };
    let answers = Arc::new(answers);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that goes away is none of our business.
            tokio::spawn(serve(stream, Arc::clone(&answers)));
        }
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = vec![0; 64 << 10];
    let mut filled = 0;
    loop {
        match stream.read(&mut head[filled..]).await? {
            0 => return Ok(()),
            count => filled += count,
        }
        if !is_whole(&head[..filled]) {
            continue;
        }
        let asks_for = |path: &str| head[..filled].starts_with(format!("GET {path} ").as_bytes());
        if asks_for(EXPORT) {
            export(&mut stream, &answers.lines).await?;
        } else {
            stream.write_all(if asks_for(BUNDLE) { &answers.bundle } else { &answers.patient }).await?;
        }
        filled = 0;
    }
}

/// Whether a request is all there, its body too.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4) else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    request.len() >= end + length.unwrap_or(0_usize)
}

fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ndate: Mon, 23 Nov 2026 12:00:00 GMT\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

async fn export(stream: &mut TcpStream, lines: &[u8]) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/fhir+ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let chunk = [format!("{:x}\r\n", lines.len()).as_bytes(), lines, b"\r\n"].concat();
    for _ in 0..EXPORT_BYTES.div_ceil(lines.len()) {
        stream.write_all(&chunk).await?;
    }
    stream.write_all(b"0\r\n\r\n").await
}
