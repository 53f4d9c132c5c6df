//! Addresses of servers that are asked.

use std::rc::Rc;

use ::http::Uri;

/// What an address says beside the cluster that is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    is_https: bool,
    authority: Rc<str>,
    path: Rc<str>,
}

impl Endpoint {
    /// Reads an absolute `http` or `https` address without user information or fragment.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'))?;
        let is_https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?.as_str();
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        let path = if path.starts_with('/') { path.into() } else { format!("/{path}").into() };
        (!authority.contains('@')).then(|| Self { is_https, authority: authority.into(), path })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.is_https
    }

    /// The head of a request for what stands there.
    pub(crate) fn head(&self, method: &'static str, accept: &'static str) -> Vec<(&'static str, Rc<str>)> {
        vec![
            (":method", method.into()),
            (":scheme", if self.is_https { "https" } else { "http" }.into()),
            (":authority", Rc::clone(&self.authority)),
            (":path", Rc::clone(&self.path)),
            ("accept", accept.into()),
            ("user-agent", concat!("carewarden/", env!("CARGO_PKG_VERSION")).into()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(bool, String, String)> {
        Endpoint::parse(text).map(|found| (found.is_https, found.authority.to_string(), found.path.to_string()))
    }

    #[test]
    fn an_address_is_absolute_and_says_no_more_than_where() {
        let found = |https, authority: &str, path: &str| Some((https, authority.to_owned(), path.to_owned()));
        assert_eq!(parts("https://idp.example/jwks.json"), found(true, "idp.example", "/jwks.json"));
        assert_eq!(parts("http://127.0.0.1:8080?x=1"), found(false, "127.0.0.1:8080", "/?x=1"));
        assert_eq!(parts("https://[::1]:8443"), found(true, "[::1]:8443", "/"));
        let wrong =
            ["", "/jwks.json", "idp.example/jwks", "ftp://a/", "https://", "https://u@a/", "https://a/#x", "https://a b/"];
        for text in wrong {
            assert_eq!(parts(text), None, "{text}");
        }
    }
}
