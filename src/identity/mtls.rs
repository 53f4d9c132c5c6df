//! Client certificates: who asks is what a certificate says that Envoy has validated.
//!
//! Nothing here checks a certificate: that Envoy demands one, and takes only those of an authority that the deployer
//! trusts, is the deployer's duty. Rules, in order:
//!
//! 1. Every list that the provider has must hold: one of its URI SANs, one of its DNS SANs, one of its subjects, one of
//!    its digests. Envoy tells the first URI SAN and the first DNS SAN of a certificate, so others cannot match.
//! 2. The client is the one that the policy names, else what matched first: URI SAN, DNS SAN, subject, digest.

mod pattern;

use std::fmt::Write as _;
use std::rc::Rc;

use pattern::{DnsPattern, UriPattern};

use super::Context;
use super::principal::Principal;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model;

/// What Envoy tells of the client certificate of a connection. Each is asked only where a provider needs it.
pub trait PeerCertificate {
    /// Whether there is one.
    fn is_presented(&self) -> bool;
    /// Its first URI SAN.
    fn uri_san(&self) -> Option<String>;
    /// Its first DNS SAN.
    fn dns_san(&self) -> Option<String>;
    /// Its subject (RFC 2253).
    fn subject(&self) -> Option<String>;
}

/// A connection without client certificate.
#[derive(Clone, Copy, Debug)]
pub struct NoCertificate;

impl PeerCertificate for NoCertificate {
    fn is_presented(&self) -> bool {
        false
    }
    fn uri_san(&self) -> Option<String> {
        None
    }
    fn dns_san(&self) -> Option<String> {
        None
    }
    fn subject(&self) -> Option<String> {
        None
    }
}

/// The certificates of one provider.
#[derive(Debug)]
pub(super) struct Mtls {
    uri_san: Option<Vec<UriPattern>>,
    dns_san: Option<Vec<DnsPattern>>,
    subject: Option<Vec<String>>,
    sha256: Option<Vec<[u8; 32]>>,
    /// The caller, but for a client that the certificate has to name.
    principal: Rc<Principal>,
}

impl Mtls {
    /// Whose certificate it is; `None` where it is none of this provider's.
    pub(super) fn identify(&self, context: &Context<'_>) -> Option<Rc<Principal>> {
        let Self { uri_san, dns_san, subject, sha256, principal } = self;
        let mut client = principal.client.clone();
        // What is not asked for is not read, and the first that was read names the client.
        let mut note = |text: String| {
            client.get_or_insert_with(|| text.into());
        };
        if let Some(patterns) = uri_san {
            let san = context.certificate.uri_san()?;
            patterns.iter().find(|pattern| pattern.matches(&san))?;
            note(san);
        }
        if let Some(patterns) = dns_san {
            let san = context.certificate.dns_san()?;
            patterns.iter().find(|pattern| pattern.matches(&san))?;
            note(san.to_ascii_lowercase());
        }
        if let Some(subjects) = subject {
            let subject = context.certificate.subject()?;
            subjects.iter().find(|listed| **listed == subject)?;
            note(subject);
        }
        if let Some(digests) = sha256 {
            let digest = (context.certificate_sha256)()?;
            digests.iter().find(|listed| **listed == digest)?;
            note(hexadecimal(&digest));
        }
        if principal.client == client {
            return Some(Rc::clone(principal));
        }
        Some(Rc::new(Principal { client, ..Principal::clone(principal) }))
    }

    /// Whether the provider may confer this role.
    pub(super) fn confers(&self, role: &str) -> bool {
        self.principal.roles.iter().any(|own| **own == *role)
    }

    /// Compiles a provider that stands at `at`. After an error it may identify nobody.
    pub(super) fn compile(name: &Rc<str>, model: &model::Mtls, at: &Node, report: &mut Report) -> Self {
        let model::Mtls { uri_san, dns_san, subject, sha256, roles, client } = model;
        if uri_san.is_none() && dns_san.is_none() && subject.is_none() && sha256.is_none() {
            report
                .error(at, Code::MissingKey, "every certificate would be accepted")
                .help("say which by `uri_san`, `dns_san`, `subject` or `sha256`");
        }
        let lengths = [
            ("uri_san", uri_san.as_ref().map(Vec::len)),
            ("dns_san", dns_san.as_ref().map(Vec::len)),
            ("subject", subject.as_ref().map(Vec::len)),
            ("sha256", sha256.as_ref().map(Vec::len)),
        ];
        for (key, _) in lengths.iter().filter(|(_, length)| *length == Some(0)) {
            report
                .error(at.key(key), Code::InvalidValue, "none is listed, so every certificate would be refused")
                .help("list some, or leave the key out");
        }
        for (index, _) in subject.iter().flatten().enumerate().filter(|(_, subject)| subject.is_empty()) {
            report
                .error(at.key("subject").item(index), Code::InvalidValue, "the subject is empty")
                .help("write it as Envoy does, as in \"CN=billing,O=Clinic\"");
        }
        if client.as_ref().is_some_and(String::is_empty) {
            report.error(at.key("client"), Code::InvalidValue, "the client has no name").help("name it, or leave it out");
        }
        let hint = report.warning(at, Code::Risky, "what a client certificate says is believed as Envoy hands it over");
        hint.help(
            "in Envoy's DownstreamTlsContext set `require_client_certificate: true` and a `trusted_ca`, and never \
             `trust_chain_verification: ACCEPT_UNTRUSTED`: anybody could write the certificate",
        );
        let mut principal =
            Principal { providers: vec![Rc::clone(name)], client: client.as_deref().map(Rc::from), ..Principal::default() };
        principal.add_roles(roles.iter().map(|role| role.as_str().into()));
        Self {
            uri_san: uri_san.as_ref().map(|written| UriPattern::compile(written, at.key("uri_san"), report)),
            dns_san: dns_san.as_ref().map(|written| DnsPattern::compile(written, at.key("dns_san"), report)),
            subject: subject.clone(),
            sha256: sha256.as_ref().map(|digests| digests.iter().map(|digest| digest.0).collect()),
            principal: Rc::new(principal),
        }
    }
}

fn hexadecimal(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut digits, byte| {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
