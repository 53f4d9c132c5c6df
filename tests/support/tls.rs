//! A development certificate authority, made afresh each time, and TLS clients that trust it alone.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A certificate authority and a server certificate that it signed, all as PEM.
#[derive(Clone)]
pub struct Certificates {
    pub authority: String,
    pub server: String,
    pub server_key: String,
}

impl Certificates {
    /// Makes a new authority and a certificate for these host names and addresses.
    pub fn generate(names: &[&str]) -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "Carewarden development CA");
        let authority_key = KeyPair::generate()?;
        let authority_certificate = authority.self_signed(&authority_key)?;

        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name.push(DnType::CommonName, "Carewarden development server");
        let server_key = KeyPair::generate()?;
        let server_certificate = server.signed_by(&server_key, &Issuer::new(authority, authority_key))?;

        Ok(Self {
            authority: authority_certificate.pem(),
            server: server_certificate.pem(),
            server_key: server_key.serialize_pem(),
        })
    }

    /// Writes `ca.crt`, `server.crt` and `server.key` into a directory.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("ca.crt"), &self.authority)?;
        std::fs::write(directory.join("server.crt"), &self.server)?;
        std::fs::write(directory.join("server.key"), &self.server_key)
    }
}

/// A client that trusts only this authority and asks for one protocol (`h2` or `http/1.1`).
pub fn client(authority_pem: &str, protocol: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority_pem.as_bytes()).expect("the authority is PEM");
    roots.add(authority).expect("the authority is a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.expect("ring speaks TLS").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}
