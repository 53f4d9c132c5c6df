//! Path templates: `/fhir/:tenant/{Patient,Coverage}/**`.
//!
//! A segment is a literal, `:name` (any one segment, captured), or `{a,b}` (one of these literals); `**` at the end is
//! the rest, also none. Nothing else stands for anything, and what looks as if it might is an error: `*`, braces around
//! one item, braces inside a segment. Literals are written as a normalised path is ([`super::path`]), so that a template
//! that could never match is an error too.
//!
//! Segments are compared decoded: `%24` and `$` say the same to the upstream. Case counts. A slash at the end of a path
//! does not: were `/admin/` another path than `/admin`, a broader route behind the one for `/admin` would take it.

use std::borrow::Cow;

use super::path::{self, Target};
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;

/// Segments in a template: a bound on the work and the stack of matching.
const MAX_SEGMENTS: usize = 64;

/// Literal paths that the braces of one template stand for: each has its place in the router.
const MAX_ALTERNATIVES: usize = 1_000;

/// A compiled path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
    takes_rest: bool,
}

/// What one segment of a path must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// One of these.
    OneOf(Vec<Box<str>>),
    /// Anything, captured under this name.
    Capture(Box<str>),
}

/// What the `:name` segments of a template took from a path, decoded.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Captures(Vec<(Box<str>, Box<str>)>);

impl Captures {
    /// What `:name` took.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| **own == *name).map(|(_, value)| value.as_ref())
    }
}

/// A captured segment can be a patient's.
impl std::fmt::Debug for Captures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The template as a policy writes it.
#[cfg(not(target_family = "wasm"))]
impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Capture(name) => write!(f, "/:{name}")?,
                Segment::OneOf(names) => match names.as_slice() {
                    [name] => write!(f, "/{name}")?,
                    names => write!(f, "/{{{}}}", names.join(","))?,
                },
            }
        }
        match self.takes_rest {
            true => f.write_str("/**"),
            false if self.segments.is_empty() => f.write_str("/"),
            false => Ok(()),
        }
    }
}

/// Why a template was refused, and what to do about it.
struct Fault(String, Cow<'static, str>);

impl Template {
    /// Compiles a template.
    pub fn compile(text: &str, at: &Node, report: &mut Report) -> Option<Self> {
        match Self::parse(text) {
            Ok(template) => Some(template),
            Err(Fault(message, help)) => {
                report.error(at, Code::InvalidTemplate, message).help(help);
                None
            }
        }
    }

    /// Compiles a list of templates.
    pub fn compile_all(texts: &[String], at: &Node, report: &mut Report) -> Vec<Self> {
        if texts.is_empty() {
            report.error(at, Code::InvalidValue, "no path is named").help("`/**` takes every path");
        }
        let compile = |(index, text): (usize, &String)| Self::compile(text, at.item(index), report);
        texts.iter().enumerate().filter_map(compile).collect()
    }

    /// What the template takes from a normalised path; `None` when the path does not fit.
    #[must_use]
    pub fn matches(&self, path: &str) -> Option<Captures> {
        let (captures, mut rest) = self.take_from(path::segments(path))?;
        (self.takes_rest || rest.next().is_none()).then_some(captures)
    }

    /// The segments behind those that the template takes; `None` when the path does not begin like this.
    #[must_use]
    pub fn strip_from<'p>(&self, path: &'p str) -> Option<Vec<Cow<'p, str>>> {
        self.take_from(path::segments(path)).map(|(_, rest)| rest.collect())
    }

    /// The names of the captures, in order.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Capture(name) => Some(&**name),
            Segment::OneOf(_) => None,
        })
    }

    /// Whether every path that fits `other` fits this one.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let length = self.segments.len();
        let same_end = self.takes_rest || (!other.takes_rest && other.segments.len() == length);
        same_end && self.covers_start_of(other)
    }

    /// Whether every path that fits `other` begins with what fits this one.
    #[must_use]
    pub fn covers_start_of(&self, other: &Self) -> bool {
        other.segments.len() >= self.segments.len()
            && self.segments.iter().zip(&other.segments).all(|(own, other)| own.covers(other))
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(super) fn takes_rest(&self) -> bool {
        self.takes_rest
    }

    fn take_from<'p, I: Iterator<Item = Cow<'p, str>>>(&self, mut path: I) -> Option<(Captures, I)> {
        let mut captures = Captures::default();
        for segment in &self.segments {
            let found = path.next()?;
            match segment {
                Segment::OneOf(names) if names.iter().any(|name| **name == *found) => (),
                Segment::OneOf(_) => return None,
                Segment::Capture(name) => captures.0.push((name.clone(), found.into())),
            }
        }
        Some((captures, path))
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let Some(relative) = text.strip_prefix('/') else {
            return Err(Fault(format!("template `{text}` does not start at the root"), "begin it with `/`".into()));
        };
        let mut template = Self { segments: Vec::new(), takes_rest: false };
        if relative.is_empty() {
            return Ok(template);
        }
        if text.ends_with('/') {
            let help = "leave it off; a path with and without it fits either way";
            return Err(Fault(format!("template `{text}` ends in a slash"), help.into()));
        }
        for segment in relative.split('/') {
            if template.takes_rest {
                return Err(Fault("`**` stands before other segments".to_owned(), "`**` is for the end".into()));
            }
            match segment {
                "**" => template.takes_rest = true,
                _ => template.segments.push(Segment::parse(segment)?),
            }
        }
        let mut names: Vec<_> = template.captures().collect();
        names.sort_unstable();
        if let Some([name, _]) = names.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(Fault(format!("`:{name}` stands twice"), "name each capture once".into()));
        }
        if template.segments.len() > MAX_SEGMENTS {
            return Err(Fault(format!("more than {MAX_SEGMENTS} segments"), "end it with `**`".into()));
        }
        let alternatives = template.segments.iter().fold(1_usize, |product, segment| match segment {
            Segment::OneOf(names) => product.saturating_mul(names.len()),
            Segment::Capture(_) => product,
        });
        if alternatives > MAX_ALTERNATIVES {
            let help = "use `:name` where the text does not matter";
            return Err(Fault(format!("braces for {alternatives} paths, more than {MAX_ALTERNATIVES}"), help.into()));
        }
        Ok(template)
    }
}

impl Segment {
    fn parse(segment: &str) -> Result<Self, Fault> {
        if let Some(name) = segment.strip_prefix(':') {
            let word = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if name.is_empty() || !word(name) {
                let help = "a name has letters, digits and `_`, as in `:tenant`";
                return Err(Fault(format!("`{segment}` is not a capture"), help.into()));
            }
            return Ok(Self::Capture(name.into()));
        }
        let Some(inner) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            return Ok(Self::OneOf(vec![literal(segment)?]));
        };
        let items = inner.split(',').map(literal).collect::<Result<Vec<_>, _>>()?;
        if items.len() < 2 {
            let help = format!("write `{inner}` for the text itself, `:{inner}` for any one segment");
            return Err(Fault(format!("`{segment}` has one item"), help.into()));
        }
        Ok(Self::OneOf(items))
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Capture(_), _) => true,
            (Self::OneOf(own), Self::OneOf(others)) => others.iter().all(|name| own.contains(name)),
            (Self::OneOf(_), Self::Capture(_)) => false,
        }
    }
}

/// Reads text that stands for itself, and decodes it.
fn literal(text: &str) -> Result<Box<str>, Fault> {
    if text.is_empty() {
        return Err(Fault("a segment is empty".to_owned(), "repeated slashes are merged before matching".into()));
    }
    if text.contains('*') {
        let help = "`:name` is any one segment, `**` at the end is the rest";
        return Err(Fault(format!("`*` inside `{text}`"), help.into()));
    }
    if text.contains(['{', '}', ',']) {
        let help = "`{a,b}` is for a whole segment";
        return Err(Fault(format!("braces or a comma inside `{text}`"), help.into()));
    }
    let path = format!("/{text}");
    match Target::parse(path.as_bytes()) {
        Ok(target) if !target.is_rewritten() && target.query().is_none() => {
            Ok(path::segments(&path).next().unwrap_or_default().into_owned().into())
        }
        Ok(target) if target.query().is_none() && target.path().len() > 1 => {
            let help = format!("write `{}`", target.path().trim_start_matches('/'));
            Err(Fault(format!("no normalised path holds `{text}`"), help.into()))
        }
        _ => Err(Fault(format!("no path that is let through holds `{text}`"), "take it out".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).map_err(|Fault(message, _)| message).unwrap()
    }

    #[test]
    fn a_template_takes_what_it_names() {
        for (text, fits, does_not) in [
            ("/", &["/"][..], &["/a"][..]),
            ("/**", &["/", "/a", "/a/b/"], &[]),
            ("/a", &["/a", "/a/"], &["/", "/A", "/ab", "/a/b"]),
            ("/a/**", &["/a", "/a/", "/a/b/c"], &["/", "/ab"]),
            ("/a/{b,c}", &["/a/b", "/a/c/"], &["/a", "/a/d", "/a/b,c"]),
            ("/:x/b", &["/a/b", "/%24/b"], &["/b", "/a/c", "/a/b/c"]),
            ("/$op/.well-known", &["/$op/.well-known", "/%24op/.well-known"], &["/op/.well-known"]),
            ("/caf%C3%A9", &["/caf%C3%A9"], &["/cafe"]),
        ] {
            for path in fits {
                assert!(template(text).matches(path).is_some(), "{text} {path}");
            }
            for path in does_not {
                assert!(template(text).matches(path).is_none(), "{text} {path}");
            }
        }
    }

    #[test]
    #[cfg(not(target_family = "wasm"))]
    fn a_template_is_shown_as_it_is_written() {
        for text in ["/", "/**", "/a", "/a/**", "/a/{b,c}/:x", "/:x/b"] {
            assert_eq!(template(text).to_string(), text);
        }
    }

    #[test]
    fn captures_are_decoded_and_not_shown() {
        let template = template("/t/:tenant/:rest_1/**");
        let captures = template.matches("/t/a%40b/c/d").unwrap();
        assert_eq!(
            (captures.named("tenant"), captures.named("rest_1"), captures.named("t")),
            (Some("a@b"), Some("c"), None)
        );
        assert!(!format!("{captures:?}").contains("a@b"));
    }

    #[test]
    fn what_could_be_meant_in_two_ways_is_an_error() {
        for text in [
            "",
            "a",
            "/a/",
            "//a",
            "/a//b",
            "/**/a",
            "/*",
            "/a*",
            "/***",
            "/{a}",
            "/{}",
            "/{a,}",
            "/a{b,c}",
            "/{a,b}c",
            "/a,b",
            "/:",
            "/:a-b",
            "/:a/:a",
            "/%7e",
            "/%2f",
            "/a;b",
            "/a?b",
            "/a#b",
            "/../a",
            "/.",
            "/é",
            "/a b",
            "/%zz",
            "/{a,:b}/{a,**}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        assert!(Template::parse(&"/a".repeat(65)).is_err());
        assert!(Template::parse(&"/a".repeat(64)).is_ok());
        assert!(Template::parse(&"/{a,b}".repeat(10)).is_err());
        assert!(Template::parse(&"/{a,b}".repeat(9)).is_ok());
    }

    #[test]
    fn a_wider_template_covers_a_narrower_one() {
        for (wide, narrow) in [
            ("/**", "/a/:b"),
            ("/:x", "/a"),
            ("/{a,b}", "/b"),
            ("/{a,b,c}/**", "/{c,a}/d/**"),
            ("/a", "/a"),
            ("/:x/**", "/:y"),
        ] {
            assert!(template(wide).covers(&template(narrow)), "{wide} {narrow}");
            assert!(wide == narrow || !template(narrow).covers(&template(wide)), "{narrow} {wide}");
        }
        assert!(!template("/a/**").covers(&template("/")) && !template("/a").covers(&template("/a/b")));
    }
}
