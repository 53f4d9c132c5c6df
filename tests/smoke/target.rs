//! Where a deployment is, and what has to be trusted to reach it.

use std::env;
use std::error::Error;
use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::support::client::Client;

/// Where Linux distributions keep the authorities that a machine trusts.
const TRUSTED: &[&str] = &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// A deployment.
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) address: SocketAddr,
    pub(crate) authorities: String,
    /// A path that needs a credential.
    pub(crate) path: String,
}

impl Target {
    /// The stack, on loopback, with the development authority.
    pub(crate) fn stack() -> Result<Self, Box<dyn Error>> {
        let authorities = fs::read_to_string("envoy/certs/ca.crt").map_err(|_| "no envoy/certs/ca.crt: run `make up`")?;
        let address = SocketAddr::from(([127, 0, 0, 1], port("PORT", 8443)?));
        Ok(Self { host: "fhir.clinic.example".to_owned(), address, authorities, path: "/fhir/Patient/pat-1".to_owned() })
    }

    /// A deployment at `https://HOST[:PORT]`.
    pub(crate) fn parse(url: &str) -> Result<Self, Box<dyn Error>> {
        let authority = url.strip_prefix("https://").ok_or("a target begins with https://")?.trim_end_matches('/');
        if authority.is_empty() || authority.contains(['/', '?', '@']) {
            return Err("a target is https://HOST or https://HOST:PORT; READ says the path".into());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse()?),
            _ => (authority, 443),
        };
        let address = (host, port).to_socket_addrs()?.next().ok_or("the host has no address")?;
        let path = env::var("READ").unwrap_or_else(|_| "/fhir/Patient/1".to_owned());
        Ok(Self { host: host.to_owned(), address, authorities: trusted()?, path })
    }

    /// A client that has the server prove its name.
    pub(crate) fn client(&self) -> Client {
        Client::named(self.address, &self.authorities, &self.host)
    }
}

/// A port from the environment.
pub(crate) fn port(name: &str, otherwise: u16) -> Result<u16, Box<dyn Error>> {
    Ok(env::var(name).map_or(Ok(otherwise), |port| port.parse())?)
}

fn trusted() -> Result<String, Box<dyn Error>> {
    if let Ok(file) = env::var("CA") {
        return fs::read_to_string(&file).map_err(|error| format!("CA={file}: {error}").into());
    }
    let found = TRUSTED.iter().find_map(|file| fs::read_to_string(file).ok());
    found.ok_or_else(|| "this machine's trusted certificates were not found: say CA=FILE".into())
}
