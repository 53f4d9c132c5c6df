//! Requests and responses as the tests see them: bytes in order, nothing tidied.

use std::borrow::Cow;
use std::fmt;

/// Header fields as they stand on the wire.
pub type Fields = Vec<(String, Vec<u8>)>;

/// A request to send.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub host: String,
    pub headers: Fields,
    pub body: Option<Vec<u8>>,
    pub trailers: Fields,
}

impl Request {
    /// A request to the host that the tests' policies guard.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            host: "fhir.clinic.example".to_owned(),
            headers: Vec::new(),
            body: None,
            trailers: Vec::new(),
        }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A `POST` of FHIR JSON.
    pub fn post(path: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new("POST", path).header("content-type", "application/fhir+json").body(body)
    }

    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Adds a header field; a second one of the same name stands beside the first.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("x-api-key", key)
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.trailers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, host, headers, body, trailers } = self;
        writeln!(f, "{method} {path}\nhost: {host}")?;
        for (name, value) in headers.iter().chain(trailers) {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value))?;
        }
        body.as_ref().map_or(Ok(()), |body| write!(f, "\n{}", beginning(body)))
    }
}

/// As much of a body as a failed test needs to show.
fn beginning(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body.get(..2_000).unwrap_or(body))
}

/// How a response ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// As HTTP says that a whole message ends.
    #[default]
    Whole,
    /// Before that: the connection or the stream was closed, reset, or timed out.
    Cut,
}

/// A response, or what came of it. `status` is 0 when no head came.
#[derive(Clone, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    pub end: End,
}

impl Response {
    /// The values of a header, in order.
    pub fn all(&self, name: &str) -> Vec<String> {
        all(&self.headers, name)
    }

    /// The value of a header that stands there at most once.
    pub fn header(&self, name: &str) -> Option<String> {
        let values = self.all(name);
        assert!(values.len() <= 1, "`{name}` stands {} times in {self:?}", values.len());
        values.into_iter().next()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The reason code of a refusal, in either form; nothing where it is none.
    pub fn reason(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let outcome = body["issue"][0]["details"]["coding"][0]["code"].as_str();
        outcome.or_else(|| body["reason"].as_str()).unwrap_or_default().to_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({:?})", self.status, self.end)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value))?;
        }
        write!(f, "\n{}", beginning(&self.body))
    }
}

/// The values of a field, in order.
pub fn all(fields: &Fields, name: &str) -> Vec<String> {
    let of_name = fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
    of_name.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}
