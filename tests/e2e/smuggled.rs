//! Requests that another reader could take for two, for none that ends, or for one to somebody else.

use std::thread;
use std::time::Duration;

use crate::stage::{BILLING, clinic};
use crate::support::client::Protocol;
use crate::support::message::{End, Request};
use crate::support::upstream::Reply;

#[test]
fn a_request_whose_length_has_two_readings_does_not_reach_the_upstream() {
    clinic().upstream.reply("/small/framed", Reply::new(200).body("ok"));
    clinic().upstream.reply("/plain/smuggled", Reply::new(200).body("ok"));
    let hidden = "0\r\n\r\nGET /plain/smuggled HTTP/1.1\r\nhost: a\r\nx-hidden: 1\r\n\r\n";
    let length = hidden.len();
    for framing in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}"),
        format!("content-length: 5\r\ncontent-length: {length}"),
        format!("content-length: {length}, 5"),
        format!("content-length: +{length}"),
        format!("content-length: 0x{length:x}"),
        format!("content-length: {length}\r\ntransfer-encoding: identity"),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity".to_owned(),
        "transfer-encoding: chunked, identity".to_owned(),
        "transfer-encoding: gzip, chunked".to_owned(),
        "transfer-encoding: xchunked".to_owned(),
        format!("content-length: {length}\r\ntransfer-encoding : chunked"),
        format!("content-length: {length}\r\nx: y\r\n transfer-encoding: chunked"),
    ] {
        let head = format!("POST /small/framed HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{framing}\r\n\r\n");
        let response = clinic().client().send_raw(format!("{head}{hidden}").as_bytes());
        assert!(response.status >= 400 || response.end == End::Cut, "{framing} {response:?}");
        assert!(clinic().upstream.seen("/small/framed").is_empty(), "{framing}");
        assert!(clinic().upstream.seen("/plain/smuggled").is_empty(), "{framing}");
    }
    assert!(!clinic().envoy.trapped(), "{}", clinic().envoy.log());
}

#[test]
fn a_body_where_the_method_has_none_does_not_reach_the_upstream() {
    for method in ["GET", "HEAD"] {
        let request = Request::new(method, "/plain/body").header("content-type", "application/json");
        clinic().upstream.reply("/plain/body", Reply::new(200).body("ok"));
        let response = clinic().send(Protocol::Http1, &request.clone().body("{}"));
        assert_eq!(response.status, 400, "{method} {response:?}");
        clinic().send(Protocol::Http2, &request.body("{}"));
    }
    assert!(clinic().upstream.seen("/plain/body").is_empty());
    clinic().refuses(
        &Request::get("/plain/body").header("content-type", "application/json").body("{}"),
        400,
        "unexpected_body",
    );
}

#[test]
fn a_whole_address_is_judged_as_the_host_and_path_that_are_sent_on() {
    clinic().upstream.reply("/fhir/Patient/by-whole-address", Reply::new(404));
    let ask = |target: &str, host: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nx-api-key: {BILLING}\r\nconnection: close\r\n\r\n");
        clinic().client().send_raw(head.as_bytes())
    };
    // The address names a host that no route takes, whatever the header says.
    let other = ask("https://evil.example/fhir/Patient/by-whole-address", "fhir.clinic.example");
    assert!((400..500).contains(&other.status), "{other:?}");
    assert!(clinic().upstream.seen("/fhir/Patient/by-whole-address").is_empty());
    let own = ["", "user@"]
        .map(|user| ask(&format!("https://{user}fhir.clinic.example/fhir/Patient/by-whole-address"), "evil.example"));
    for seen in clinic().upstream.seen("/fhir/Patient/by-whole-address") {
        assert_eq!(seen.all("host"), ["fhir.clinic.example"], "{own:?} {seen:?}");
    }
}

#[test]
fn a_method_in_a_parameter_does_not_reach_the_upstream() {
    clinic().refuses(&Request::get("/plain/method?_method=DELETE"), 400, "method_override");
    clinic().refuses(&Request::get("/plain/method?a=1&%5fMETHOD=DELETE"), 400, "method_override");
    clinic().allows(&Request::get("/plain/method?method=DELETE"));
}

#[test]
fn a_body_that_drips_is_refused_in_time_although_it_would_end() {
    clinic().upstream.reply("/small/drips", Reply::new(200).body("ok"));
    let response = clinic().client().converse_raw(|stream| {
        let head = "POST /small/drips HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{";
        drop(stream.write_all(head.as_bytes()));
        for _ in 0..10 {
            drop(stream.flush());
            thread::sleep(Duration::from_millis(300));
            if stream.write_all(b" ").is_err() {
                return;
            }
        }
        drop(stream.write_all(b"}"));
        drop(stream.flush());
    });
    let refused = (response.status, response.reason());
    assert!(refused == (408, "body_timeout".to_owned()) || response.end == End::Cut, "{response:?}");
    assert!(clinic().upstream.seen("/small/drips").is_empty());
}
