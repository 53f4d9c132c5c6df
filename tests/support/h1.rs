//! HTTP/1.1 by hand, over any byte stream: nothing is checked before it is sent.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::message::{End, Fields, Request, Response};

/// Writes the request as one HTTP/1.1 message that asks for the connection to be closed. With trailers it is chunked.
pub fn write_request(to: &mut impl Write, request: &Request) -> io::Result<()> {
    let Request { method, path, host, headers, body, trailers } = request;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n").into_bytes();
    write_fields(&mut head, headers);
    match body {
        Some(_) if !trailers.is_empty() => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Some(body) => head.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes()),
        None => {}
    }
    head.extend_from_slice(b"\r\n");
    to.write_all(&head)?;
    if let Some(body) = body {
        if trailers.is_empty() {
            to.write_all(body)?;
        } else {
            write_chunk(to, body)?;
            let mut last = b"0\r\n".to_vec();
            write_fields(&mut last, trailers);
            last.extend_from_slice(b"\r\n");
            to.write_all(&last)?;
        }
    }
    to.flush()
}

/// Sends a request without a body on a connection that stays open, and reads the answer.
pub fn converse(connection: &mut BufReader<impl Read + Write>, request: &Request) -> Response {
    let Request { method, path, host, headers, .. } = request;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n").into_bytes();
    write_fields(&mut head, headers);
    head.extend_from_slice(b"\r\n");
    let to = connection.get_mut();
    if to.write_all(&head).and_then(|()| to.flush()).is_err() {
        return Response { end: End::Cut, ..Response::default() };
    }
    let mut body = Vec::new();
    let mut response = read_response(connection, method == "HEAD", &mut |piece| body.extend_from_slice(piece));
    response.body = body;
    response
}

/// Appends header lines.
pub fn write_fields(to: &mut Vec<u8>, fields: &Fields) {
    for (name, value) in fields {
        to.extend_from_slice(name.as_bytes());
        to.extend_from_slice(b": ");
        to.extend_from_slice(value);
        to.extend_from_slice(b"\r\n");
    }
}

/// Writes one chunk of a chunked body; nothing for an empty piece, which would end it.
pub fn write_chunk(to: &mut impl Write, piece: &[u8]) -> io::Result<()> {
    if piece.is_empty() {
        return Ok(());
    }
    to.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
    to.write_all(piece)?;
    to.write_all(b"\r\n")
}

/// Reads one response, handing each piece of the body on as it comes. Whatever goes wrong is a response that was cut.
pub fn read_response(from: impl Read, to_head: bool, each: &mut dyn FnMut(&[u8])) -> Response {
    let mut reader = BufReader::with_capacity(64 << 10, from);
    let mut response = Response { end: End::Cut, ..Response::default() };
    while let Some((line, fields)) = read_head(&mut reader) {
        response.status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        response.headers = fields;
        if response.status >= 200 || response.status == 101 {
            break;
        }
        response.status = 0;
    }
    if response.status == 0 {
        return response;
    }
    let bodiless = to_head || matches!(response.status, 101 | 204 | 304);
    if bodiless {
        response.end = End::Whole;
        return response;
    }
    let done = read_body(&mut reader, &response.headers, each);
    if let Some(trailers) = done {
        response.end = End::Whole;
        response.trailers = trailers;
    }
    response
}

/// Reads a start line and the fields after it; `None` when the stream ends before they do.
pub fn read_head(reader: &mut impl BufRead) -> Option<(String, Fields)> {
    let mut first = read_line(reader)?;
    while first.is_empty() {
        first = read_line(reader)?;
    }
    Some((String::from_utf8_lossy(&first).into_owned(), read_fields(reader)?))
}

/// Reads a body as the fields announce it; the trailers when it came whole.
pub fn read_body(reader: &mut impl BufRead, headers: &Fields, each: &mut dyn FnMut(&[u8])) -> Option<Fields> {
    let value = |name: &str| super::message::all(headers, name).into_iter().next();
    if value("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        loop {
            let line = read_line(reader)?;
            let size = std::str::from_utf8(&line).ok()?.split(';').next()?;
            let size = u64::from_str_radix(size.trim(), 16).ok()?;
            if size == 0 {
                return read_fields(reader);
            }
            copy(reader, size, each)?;
            read_line(reader)?;
        }
    }
    match value("content-length") {
        Some(length) => copy(reader, length.parse().ok()?, each)?,
        // Only the end of the connection ends it, so it can never be known to be whole; the tests take it as whole.
        None => while copy(reader, 1, each).is_some() {},
    }
    Some(Fields::new())
}

fn copy(reader: &mut impl BufRead, mut left: u64, each: &mut dyn FnMut(&[u8])) -> Option<()> {
    while left > 0 {
        let available = reader.fill_buf().ok()?;
        let take = available.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if take == 0 {
            return None;
        }
        each(&available[..take]);
        reader.consume(take);
        left -= take as u64;
    }
    Some(())
}

fn read_fields(reader: &mut impl BufRead) -> Option<Fields> {
    let mut fields = Fields::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Some(fields);
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        fields.push((name, line[colon + 1..].trim_ascii().to_vec()));
    }
}

fn read_line(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok()?;
    let line = line.strip_suffix(b"\n")?;
    Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
}
