//! The target of a request, in the one form that is judged and sent on.
//!
//! What two readers could read in two ways is refused, never guessed. In order:
//!
//! 1. Only the origin form is taken (RFC 9112 section 3.2.1): a path that starts with `/`, then perhaps `?` and a query.
//!    A fragment, a control, a space or a byte outside ASCII is no part of a URI.
//! 2. In the path only the characters of RFC 3986 section 3.3 may stand plainly, and no `;`: some servers cut what
//!    follows it off a segment, others do not.
//! 3. An escape of an unreserved character is decoded, every other one is written in capitals (RFC 3986 section 6.2.2).
//!    Refused are escapes of `/`, `\`, `?`, `#`, `;` and controls, escapes that do not add up to UTF-8, `.` and `..`
//!    written with escapes, and `%25` before two hexadecimal digits, which a second decoding would make an escape.
//! 4. Repeated slashes are merged, `.` and `..` resolved (RFC 3986 section 5.2.4). `..` above the root is refused, and so
//!    is `..` behind a repeated slash: whether the empty segment counts depends on which of the two is done first.
//!
//! A slash at the end stays: some servers need it. Matching ignores it ([`super::Template`]).
//!
//! The query is kept as it came; [`super::query`] reads it where it is judged.

use std::borrow::Cow;

use super::{parameter, percent};

/// Where a request goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    path: String,
    query: Option<String>,
    rewritten: bool,
}

/// Why a target was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// Not a path: another form of target, or nothing.
    NotAPath,
    /// A character that must not stand plainly: a control, a space, `\`, `;`, `#`, or one outside ASCII.
    Character,
    /// `%` without two hexadecimal digits.
    Escape,
    /// An escape that hides a separator, a control or a dot segment, or is itself escaped.
    HiddenCharacter,
    /// Escapes that do not add up to UTF-8.
    Utf8,
    /// `..` above the root.
    AboveRoot,
    /// `..` behind a repeated slash.
    DotsAfterEmpty,
}

impl TargetError {
    /// A stable name for records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAPath => "target_not_a_path",
            Self::Character => "target_character",
            Self::Escape => "target_escape",
            Self::HiddenCharacter => "target_hidden_character",
            Self::Utf8 => "target_utf8",
            Self::AboveRoot => "target_above_root",
            Self::DotsAfterEmpty => "target_dots_after_empty_segment",
        }
    }
}

impl Target {
    /// Reads the bytes of `:path`.
    pub fn parse(raw: &[u8]) -> Result<Self, TargetError> {
        let Some(raw) = std::str::from_utf8(raw).ok().filter(|raw| raw.starts_with('/')) else {
            return Err(if raw.first() == Some(&b'/') { TargetError::Character } else { TargetError::NotAPath });
        };
        if !raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(TargetError::Character);
        }
        let (written, query) = raw.split_once('?').map_or((raw, None), |(path, query)| (path, Some(query)));
        let path = normalise(written)?;
        let rewritten = path != written;
        Ok(Self { path, query: query.map(str::to_owned), rewritten })
    }

    /// The path, normalised.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What follows `?`, as it came.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Whether the path came in another form than it is judged in, so that it has to be sent in this one.
    #[must_use]
    pub fn is_rewritten(&self) -> bool {
        self.rewritten
    }

    /// The target without the query parameters of these names, which are not sent on. A query of which nothing is left
    /// goes with its `?`.
    #[must_use]
    pub fn without_parameters(&self, names: &[&str]) -> Cow<'_, Self> {
        let left = self.query.as_deref().and_then(|query| parameter::without(query, names));
        left.map_or(Cow::Borrowed(self), |left| {
            let query = Some(left).filter(|left| !left.is_empty());
            Cow::Owned(Self { path: self.path.clone(), query, rewritten: true })
        })
    }

    /// The value of `:path` to send.
    #[must_use]
    pub fn to_request_target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// Paths and queries name patients.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path: _, query: _, rewritten } = self;
        f.debug_struct("Target").field("rewritten", rewritten).finish_non_exhaustive()
    }
}

/// The segments of a normalised path, decoded. A slash at the end starts no segment.
pub fn segments(path: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments = if path.is_empty() { None } else { Some(path.split('/')) };
    // INVARIANT: a normalised path holds no escape that cannot be decoded.
    segments.into_iter().flatten().map(|segment| percent::decode(segment, false).unwrap_or(Cow::Borrowed(segment)))
}

fn normalise(written: &str) -> Result<String, TargetError> {
    let mut path = String::with_capacity(written.len());
    let (mut ends_in_slash, mut merged) = (false, false);
    let mut segments = written.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "" | "." => merged |= segment.is_empty() && !last,
            ".." if merged => return Err(TargetError::DotsAfterEmpty),
            ".." => path.truncate(path.rfind('/').ok_or(TargetError::AboveRoot)?),
            _ => push_segment(segment, &mut path)?,
        }
        ends_in_slash = last && matches!(segment, "" | "." | "..");
    }
    if ends_in_slash {
        path.push('/');
    }
    Ok(path)
}

/// Appends a slash and the normalised segment.
fn push_segment(segment: &str, path: &mut String) -> Result<(), TargetError> {
    path.push('/');
    let start = path.len();
    let mut rest = segment.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'%' => {
                rest = after.get(2..).unwrap_or_default();
                match percent::escape(after).ok_or(TargetError::Escape)? {
                    plain if is_unreserved(plain) => path.push(char::from(plain)),
                    b'/' | b'\\' | b'?' | b'#' | b';' => return Err(TargetError::HiddenCharacter),
                    other => path.push_str(&format!("%{other:02X}")),
                }
            }
            plain if may_stand_plainly(*plain) => path.push(char::from(*plain)),
            _ => return Err(TargetError::Character),
        }
    }
    let normal = path.get(start..).unwrap_or_default();
    if !segment.contains('%') { Ok(()) } else { refuse_hidden(normal) }
}

/// Refuses what a normalised segment that was written with escapes hides.
fn refuse_hidden(segment: &str) -> Result<(), TargetError> {
    let escaped_again = segment.split("%25").skip(1).any(|rest| percent::escape(rest.as_bytes()).is_some());
    if matches!(segment, "." | "..") || escaped_again {
        return Err(TargetError::HiddenCharacter);
    }
    let decoded = percent::decode(segment, false).map_err(|_| TargetError::Utf8)?;
    if decoded.chars().any(char::is_control) { Err(TargetError::HiddenCharacter) } else { Ok(()) }
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// `pchar` of RFC 3986 section 3.3, but `;`.
fn may_stand_plainly(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_and_a_slash_at_the_end_starts_none() {
        let of = |path| segments(path).collect::<Vec<_>>();
        assert_eq!(of("/a%24b/c%C3%A9/"), ["a$b", "cé"]);
        assert!(of("/").is_empty());
    }

    #[test]
    fn debug_shows_no_path() {
        let target = Target::parse(b"/fhir/Patient/secret?name=secret").unwrap();
        assert!(!format!("{target:?}").contains("secret"));
    }

    #[test]
    fn normalising_twice_changes_nothing() {
        for raw in ["/a/%7eb/%2F", "/a/b%2541", "//a/./b/../c/", "/%e2%82%ac/%41%2d", "/a/%25/b", "/", "/a%3Ab@c"] {
            if let Ok(once) = Target::parse(raw.as_bytes()) {
                let twice = Target::parse(once.to_request_target().as_bytes()).unwrap();
                assert_eq!((twice.path(), twice.is_rewritten()), (once.path(), false), "{raw}");
            }
        }
    }
}
