//! One client for both protocols, with and without TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::message::{End, Request, Response};
use super::tls::Identity;
use super::{h1, h2, tls};

/// How long a client waits for the next byte.
const PATIENCE: Duration = Duration::from_secs(30);
/// A name in the development certificate.
const SERVER_NAME: &str = "localhost";

/// The HTTP versions that every feature is tested over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// Both.
pub const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// Sends requests to one address.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    /// The authority to trust, as PEM; plain HTTP without one.
    authority: Option<Arc<str>>,
    /// The name that the server has to prove.
    name: Arc<str>,
    identity: Option<Arc<Identity>>,
}

impl Client {
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, authority: None, name: SERVER_NAME.into(), identity: None }
    }

    pub fn tls(address: SocketAddr, authority: &str) -> Self {
        Self::named(address, authority, SERVER_NAME)
    }

    /// A client of a server that proves this name.
    pub fn named(address: SocketAddr, authority: &str, name: &str) -> Self {
        Self { address, authority: Some(authority.into()), name: name.into(), identity: None }
    }

    /// The same client with a certificate of its own.
    pub fn with_identity(self, identity: &Identity) -> Self {
        Self { identity: Some(Arc::new(identity.clone())), ..self }
    }

    /// Sends the request and collects the response.
    pub fn send(&self, protocol: Protocol, request: &Request) -> Response {
        let mut body = Vec::new();
        let mut response = self.stream(protocol, request, &mut |piece| body.extend_from_slice(piece));
        response.body = body;
        response
    }

    /// Sends the request and hands each piece of the response's body on as it comes.
    pub fn stream(&self, protocol: Protocol, request: &Request, each: &mut dyn FnMut(&[u8])) -> Response {
        match protocol {
            Protocol::Http1 => {
                let mut stream = self.connect();
                // A server may answer and close before it has read all: then its answer counts.
                let _unread = h1::write_request(&mut stream, request);
                h1::read_response(stream, request.method == "HEAD", each)
            }
            Protocol::Http2 => self.http2(request, each),
        }
    }

    /// Sends bytes as they are and reads one HTTP/1.1 response.
    pub fn send_raw(&self, bytes: &[u8]) -> Response {
        self.converse_raw(|stream| drop(stream.write_all(bytes)))
    }

    /// Opens a connection, lets `talk` write to it, and reads one HTTP/1.1 response.
    pub fn converse_raw(&self, talk: impl FnOnce(&mut dyn ReadWrite)) -> Response {
        let mut stream = self.connect();
        talk(&mut stream);
        let mut body = Vec::new();
        let mut response = h1::read_response(stream, false, &mut |piece| body.extend_from_slice(piece));
        response.body = body;
        response
    }

    /// An open connection.
    pub fn connect(&self) -> Box<dyn ReadWrite> {
        let stream = TcpStream::connect(self.address).expect("the proxy accepts connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a write timeout");
        stream.set_nodelay(true).expect("no delay");
        let Some(authority) = &self.authority else { return Box::new(stream) };
        let name = ServerName::try_from(self.name.to_string()).expect("a server name");
        let connection = ClientConnection::new(tls::client(authority, b"http/1.1", self.identity.as_deref()), name)
            .expect("a TLS client");
        Box::new(StreamOwned::new(connection, stream))
    }

    fn http2(&self, request: &Request, each: &mut dyn FnMut(&[u8])) -> Response {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let talk = async {
            let stream = tokio::net::TcpStream::connect(self.address).await.expect("the proxy accepts connections");
            let Some(authority) = &self.authority else { return h2::exchange(stream, "http", request, each).await };
            let connector = tokio_rustls::TlsConnector::from(tls::client(authority, b"h2", self.identity.as_deref()));
            let name = ServerName::try_from(self.name.to_string()).expect("a server name");
            let stream = connector.connect(name, stream).await.expect("a TLS handshake");
            h2::exchange(stream, "https", request, each).await
        };
        let timed = async { tokio::time::timeout(2 * PATIENCE, talk).await };
        runtime.block_on(timed).unwrap_or(Response { end: End::Cut, ..Response::default() })
    }
}

/// A connection.
pub trait ReadWrite: Read + Write + Send {}
impl<T: Read + Write + Send> ReadWrite for T {}
