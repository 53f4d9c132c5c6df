//! A development certificate authority, made afresh each time, and TLS clients that trust it alone.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// A certificate authority, and what it signed: a certificate of a server and those of clients, all as PEM.
#[derive(Clone)]
pub struct Certificates {
    pub authority: String,
    pub server: String,
    pub server_key: String,
    pub clients: Vec<Identity>,
}

/// A client's certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// What a client's certificate says.
#[derive(Clone, Debug, Default)]
pub struct ClientName {
    pub uris: Vec<&'static str>,
    pub hosts: Vec<&'static str>,
    /// Common name and organisation.
    pub subject: Option<(&'static str, &'static str)>,
}

impl ClientName {
    /// A certificate with this URI and nothing else.
    pub fn uri(uri: &'static str) -> Self {
        Self { uris: vec![uri], ..Self::default() }
    }
}

impl Identity {
    /// SHA-256 of the certificate, in hexadecimal.
    pub fn sha256(&self) -> String {
        let der = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate");
        let digest = ring::digest::digest(&ring::digest::SHA256, &der);
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A certificate authority that signs.
pub struct Authority {
    /// Its certificate, as PEM.
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new one.
    pub fn generate() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Carewarden development CA");
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// Signs for a server of these host names and addresses.
    pub fn server(&self, names: &[&str]) -> Result<Identity, rcgen::Error> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "Carewarden development server");
        self.sign(params)
    }

    /// Signs for a client.
    pub fn client(&self, client: &ClientName) -> Result<Identity, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some((name, organisation)) = client.subject {
            params.distinguished_name.push(DnType::OrganizationName, organisation);
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let uris = client.uris.iter().map(|uri| Ok(SanType::URI((*uri).try_into()?)));
        let hosts = client.hosts.iter().map(|host| Ok(SanType::DnsName((*host).try_into()?)));
        params.subject_alt_names = uris.chain(hosts).collect::<Result<_, rcgen::Error>>()?;
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Result<Identity, rcgen::Error> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}

impl Certificates {
    /// Makes a new authority and a certificate for these host names and addresses.
    pub fn generate(names: &[&str]) -> Result<Self, rcgen::Error> {
        Self::with_clients(names, &[])
    }

    /// The same, with certificates of clients that the authority signed, too.
    pub fn with_clients(names: &[&str], clients: &[ClientName]) -> Result<Self, rcgen::Error> {
        let authority = Authority::generate()?;
        let Identity { certificate: server, key: server_key } = authority.server(names)?;
        let clients = clients.iter().map(|client| authority.client(client)).collect::<Result<_, rcgen::Error>>()?;
        Ok(Self { authority: authority.certificate, server, server_key, clients })
    }

    /// Writes `ca.crt`, `server.crt` and `server.key` into a directory.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("ca.crt"), &self.authority)?;
        std::fs::write(directory.join("server.crt"), &self.server)?;
        std::fs::write(directory.join("server.key"), &self.server_key)
    }
}

/// A client that trusts only these authorities and asks for one protocol (`h2` or `http/1.1`). It shows a certificate where it
/// has one and is asked for it.
pub fn client(authority_pem: &str, protocol: &[u8], identity: Option<&Identity>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authority_pem.as_bytes()) {
        roots.add(authority.expect("authorities are PEM")).expect("an authority is a certificate");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("ring speaks TLS").with_root_certificates(roots);
    let mut config = match identity {
        Some(Identity { certificate, key }) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
            builder.with_client_auth_cert(vec![certificate], key).expect("a certificate and its key")
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}
