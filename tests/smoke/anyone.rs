//! What anybody can try of any deployment: all of it has to be refused, and nothing of it changes anything.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::message::Request;
use crate::trial::Trial;

/// What HTTP/2 does to a stream instead of an answer.
const RESET: u16 = 0;

pub(crate) fn attempt(trial: &mut Trial<'_>) -> Result<(), Box<dyn Error>> {
    transport(trial)?;
    credentials(trial)?;
    requests(trial)
}

fn transport(trial: &mut Trial<'_>) -> Result<(), Box<dyn Error>> {
    trial.chapter("Transport")?;
    let refusal = trial.request(
        "the certificate is trusted, and nobody gets in without a credential",
        &Request::get(&trial.target.path),
        &[401],
        Some("missing_credentials"),
    )?;
    let shown = format!("{refusal:?}");
    for (claim, name, part) in [
        ("refusals tell browsers to come back over TLS", "strict-transport-security", "max-age="),
        ("… say how to ask", "www-authenticate", " "),
        ("… are kept by no cache", "cache-control", "no-store"),
    ] {
        trial.check(claim, refusal.all(name).iter().any(|value| value.contains(part)), &shown)?;
    }
    let answer = first_bytes(trial, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")?;
    trial.check("nothing is served without TLS", !answer.starts_with(b"HTTP/"), &String::from_utf8_lossy(&answer))?;
    let answer = first_bytes(trial, &client_hello_of_tls_1_1())?;
    // A handshake message is 22, an alert 21 (RFC 8446 section 5.1).
    trial.check("TLS 1.1 is refused", answer.first() != Some(&22), &format!("{answer:?}"))?;
    Ok(())
}

/// What a server sends first to who sends it this.
fn first_bytes(trial: &Trial<'_>, sent: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut stream = TcpStream::connect(trial.target.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    stream.write_all(sent)?;
    let mut answer = [0; 64];
    // A server may break such a connection off.
    let read = stream.read(&mut answer).unwrap_or(0);
    Ok(answer[..read].to_vec())
}

/// A ClientHello that knows no version after TLS 1.1 (RFC 4346 section 7.4.1.2), with the cipher suites of its time.
fn client_hello_of_tls_1_1() -> Vec<u8> {
    let suites: &[u16] = &[0xc013, 0xc014, 0xc009, 0xc00a, 0x002f, 0x0035];
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend((2 * suites.len() as u16).to_be_bytes());
    hello.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    hello.extend([1, 0]);
    // supported_groups with P-256 and ec_point_formats, without which no server would take an elliptic suite.
    let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0];
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    let mut message = vec![1, 0];
    message.extend((hello.len() as u16).to_be_bytes());
    message.extend(hello);
    let mut record = vec![22, 3, 1];
    record.extend((message.len() as u16).to_be_bytes());
    record.extend(message);
    record
}

fn credentials(trial: &mut Trial<'_>) -> Result<(), Box<dyn Error>> {
    trial.chapter("Credentials")?;
    let read = || Request::get(&trial.target.path);
    // `{"alg":"none"}`, then `{"sub":"admin"}`, and no signature.
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.";
    let attempts = [
        ("a token that says that it needs no signature", read().bearer(unsigned)),
        ("a token that is none", read().bearer("guess")),
        ("two tokens at once", read().bearer("guess").bearer("guess")),
        ("a scheme of another time", read().header("authorization", "Basic YWRtaW46YWRtaW4=")),
        ("a guessed key", read().key("guess")),
        (
            "headers that only the proxy may set",
            read().header("x-carewarden-subject", "admin").header("x-carewarden-roles", "physician"),
        ),
        ("an address that the client chose", read().header("x-forwarded-for", "127.0.0.1")),
    ];
    for (claim, request) in attempts {
        trial.request(claim, &request, &[401], None)?;
    }
    Ok(())
}

fn requests(trial: &mut Trial<'_>) -> Result<(), Box<dyn Error>> {
    trial.chapter("Requests")?;
    let path = trial.target.path.clone();
    let (directory, last) = path.rsplit_once('/').unwrap_or(("", ""));
    let escaped = format!("{directory}/..%2f{last}");
    let parameters = format!("{directory};x=1/{last}");
    let long = "x".repeat(70_000);
    let attempts: [(&str, Request, &[u16], Option<&str>); 9] = [
        ("an escaped slash", Request::get(&escaped), &[400], Some("ambiguous_path")),
        ("a parameter within the path", Request::get(&parameters), &[400], Some("ambiguous_path")),
        ("a null byte", Request::get(&format!("{path}%00")), &[400], None),
        (
            "a method within a header",
            Request::get(&path).header("x-http-method-override", "DELETE"),
            &[400],
            Some("method_override"),
        ),
        ("TRACE", Request::new("TRACE", &path), &[400, 401, 403, 404, 405], None),
        ("a header of 70 kB", Request::get(&path).header("x-long", long), &[431, RESET], None),
        ("a header with an underscore", Request::get(&path).header("x_carewarden_roles", "physician"), &[400, RESET], None),
        (
            "a body whose length is said twice",
            Request::new("POST", &path).header("content-length", "3").header("content-length", "4"),
            &[400, RESET],
            None,
        ),
        ("a write without a credential", Request::new("DELETE", &path), &[401, 404, 405], None),
    ];
    for (claim, request, statuses, reason) in attempts {
        trial.request(claim, &request, statuses, reason)?;
    }
    let host = &trial.target.host;
    let upgrade = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    let smuggled = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    );
    for (claim, bytes) in [("an upgrade to WebSocket", upgrade), ("a request within another", smuggled)] {
        let answer = trial.client.send_raw(bytes.as_bytes());
        let refused = (400..500).contains(&answer.status);
        trial.check(&format!("{claim}: {}", answer.status), refused, &format!("{answer:?}"))?;
    }
    Ok(())
}
