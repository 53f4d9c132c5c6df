//! What the engine may ask about a connection, read from Envoy's properties when it asks.

use std::cell::Cell;
use std::net::IpAddr;

use super::host::{self, Failure, Map};
use crate::access::addresses;
use crate::exchange::Facts;
use crate::identity::{Hash, SignatureVerifier, Verification};

/// The connection of the stream at hand.
pub(super) struct Connection;

impl Facts for Connection {
    fn source(&self) -> Option<IpAddr> {
        addresses::parse_source(&text("source\0address")?)
    }

    fn is_tls(&self) -> bool {
        text("connection\0tls_version").is_some_and(|version| !version.is_empty())
    }

    fn envoy_route(&self) -> Option<String> {
        text("xds\0route_name")
    }

    fn certificate_sha256(&self) -> Option<[u8; 32]> {
        let digest = text("connection\0sha256_peer_certificate_digest")?;
        crate::policy::model::Sha256Hex::parse(&digest).map(|digest| digest.0)
    }

    fn certificate_uri_san(&self) -> Option<String> {
        text("connection\0uri_san_peer_certificate").filter(|san| !san.is_empty())
    }

    fn certificate_dns_san(&self) -> Option<String> {
        text("connection\0dns_san_peer_certificate").filter(|san| !san.is_empty())
    }

    fn certificate_subject(&self) -> Option<String> {
        text("connection\0subject_peer_certificate").filter(|subject| !subject.is_empty())
    }

    fn is_from_upstream(&self) -> bool {
        text("response\0code_details").is_none_or(|details| details == "via_upstream")
    }
}

/// The status in the answer's head.
pub(super) fn status() -> Option<u16> {
    std::str::from_utf8(&host::pseudo_header(Map::ResponseHeaders, ":status")?).ok()?.parse().ok()
}

/// The status that Envoy sent.
pub(super) fn response_code() -> Option<u16> {
    u16::try_from(i64::from_le_bytes(host::property("response\0code")?.try_into().ok()?)).ok()
}

fn text(path: &str) -> Option<String> {
    String::from_utf8(host::property(path)?).ok()
}

/// Envoy's `verify_signature`, which runs BoringSSL outside the module.
pub(super) struct EnvoyVerifier {
    available: Cell<bool>,
    /// How many signatures were checked by Envoy, and how many in the module.
    counts: Cell<(u64, u64)>,
}

const VERIFY: &str = "verify_signature";

impl EnvoyVerifier {
    /// Asks the host once whether it has the function: an empty call is a bad argument where it exists.
    pub(super) fn detect() -> Self {
        let available = !matches!(host::call(VERIFY, &[]), Err(Failure::NotFound));
        Self { available: Cell::new(available), counts: Cell::default() }
    }

    /// How many signatures were checked by Envoy, and how many in the module, since this was asked.
    pub(super) fn take_counts(&self) -> (u64, u64) {
        self.counts.take()
    }

    pub(super) fn is_available(&self) -> bool {
        self.available.get()
    }
}

impl SignatureVerifier for EnvoyVerifier {
    fn verify(&self, hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Verification {
        if !self.available.get() {
            return Verification::Unavailable;
        }
        // envoy.source.extensions.common.wasm.VerifySignatureArguments: hash_function = 1, public_key = 2,
        // signature = 3, text = 4.
        let mut argument = Vec::with_capacity(key.len() + signature.len() + text.len() + 32);
        for (field, bytes) in [(1, hash.name().as_bytes()), (2, key), (3, signature), (4, text)] {
            push_field(&mut argument, field, bytes);
        }
        let Ok(answer) = host::call(VERIFY, &argument) else { return Verification::Unavailable };
        let (by_host, inside) = self.counts.get();
        self.counts.set((by_host.saturating_add(1), inside));
        // VerifySignatureResult: result = 1, a varint; false is left out.
        if answer.starts_with(&[0x08, 0x01]) { Verification::Valid } else { Verification::Invalid }
    }

    fn passed_over(&self) {
        let (by_host, inside) = self.counts.get();
        self.counts.set((by_host, inside.saturating_add(1)));
    }
}

/// A protobuf field of bytes: its number and wire type 2, its length as a varint, its bytes.
fn push_field(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push((field << 3) | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or(0));
    out.extend_from_slice(bytes);
}
