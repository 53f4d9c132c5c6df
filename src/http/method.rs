//! Request methods (RFC 9110 section 9).
//!
//! Methods are case-sensitive, but some servers read `post` as `POST`. So a method with small letters is refused, and so
//! are CONNECT, which asks for a tunnel, and TRACE, which sends credentials back.

use crate::policy::diagnostic::{Code, Report, nearest};
use crate::policy::document::Node;

/// The longest method taken. The longest registered one has 17 letters.
const MAX_LENGTH: usize = 32;

/// A request method that may be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// Another one, in capitals.
    Other(Box<str>),
}

/// A method that is refused: not a token in capitals, or CONNECT or TRACE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodError;

const KNOWN: &[(&str, Method)] = &[
    ("GET", Method::Get),
    ("HEAD", Method::Head),
    ("POST", Method::Post),
    ("PUT", Method::Put),
    ("PATCH", Method::Patch),
    ("DELETE", Method::Delete),
    ("OPTIONS", Method::Options),
];

impl Method {
    /// Reads the bytes of `:method`.
    pub fn parse(raw: &[u8]) -> Result<Self, MethodError> {
        if let Some((_, method)) = KNOWN.iter().find(|(name, _)| name.as_bytes() == raw) {
            return Ok(method.clone());
        }
        let token = raw.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_".contains(byte));
        let letter_first = raw.first().is_some_and(u8::is_ascii_uppercase);
        if !token || !letter_first || raw.len() > MAX_LENGTH || raw == b"CONNECT" || raw == b"TRACE" {
            return Err(MethodError);
        }
        std::str::from_utf8(raw).map(|name| Self::Other(name.into())).map_err(|_| MethodError)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => KNOWN.iter().find(|(_, method)| method == known).map_or("", |(name, _)| name),
        }
    }
}

/// A set of methods. `GET` includes `HEAD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodSet(Vec<Method>);

impl MethodSet {
    /// Compiles a list of methods.
    pub fn compile(names: &[String], at: &Node, report: &mut Report) -> Self {
        if names.is_empty() {
            report.error(at, Code::InvalidValue, "no method is named").help("name one, or leave the key out for all");
        }
        let read = |(index, name): (usize, &String)| {
            let method = Method::parse(name.as_bytes());
            if method.is_err() {
                let hint = report.error(at.item(index), Code::InvalidValue, format!("`{name}` is no method that can pass"));
                match nearest(name, KNOWN.iter().map(|(name, _)| *name)) {
                    Some(near) => hint.help(format!("did you mean `{near}`?")),
                    None => hint.help("write the method in capitals; CONNECT and TRACE are never let through"),
                }
            }
            method.ok()
        };
        Self(names.iter().enumerate().filter_map(read).collect())
    }

    /// Whether the method is in.
    #[must_use]
    pub fn contains(&self, method: &Method) -> bool {
        self.0.iter().any(|own| own == method || (*own == Method::Get && *method == Method::Head))
    }

    /// Their names, in the order of the policy.
    #[cfg(not(target_family = "wasm"))]
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Method::as_str)
    }

    /// Whether every method of `other` is in.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|method| self.contains(method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_capitals_pass() {
        assert_eq!(Method::parse(b"GET"), Ok(Method::Get));
        assert_eq!(Method::parse(b"M-SEARCH").unwrap().as_str(), "M-SEARCH");
        for refused in ["get", "Post", "", "CONNECT", "TRACE", "GET ", "G\0T", "-GET", "GÉT", &"A".repeat(33)] {
            assert_eq!(Method::parse(refused.as_bytes()), Err(MethodError), "{refused}");
        }
    }

    #[test]
    fn get_includes_head_and_not_the_other_way_round() {
        let (get, head) = (MethodSet(vec![Method::Get]), MethodSet(vec![Method::Head]));
        assert!(get.contains(&Method::Head) && get.covers(&head));
        assert!(!head.contains(&Method::Get) && !head.covers(&get));
    }
}
