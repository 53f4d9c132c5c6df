//! The base of a FHIR API: the path in front of types and operations.

use std::borrow::Cow;

use crate::http::{Template, path};
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model;

/// The base of a FHIR API.
#[derive(Clone, Debug)]
pub struct Base(Template);

impl Base {
    /// Compiles `fhir` of a route whose path templates are these. `at` is `fhir`.
    pub fn compile(written: &model::Fhir, templates: &[Template], at: &Node, report: &mut Report) -> Option<Self> {
        let at = at.key("base");
        let base = Template::compile(&written.base, at, report)?;
        if written.base.contains("**") {
            report.error(at, Code::InvalidTemplate, "a base has an end").help("leave `**` off");
            return None;
        }
        if !templates.iter().all(|template| base.covers_start_of(template)) {
            let message = format!("a path of the route does not lie below the base `{}`", written.base);
            report.error(at, Code::InvalidTemplate, message).help("begin every path of the route with the base");
        }
        Some(Self(base))
    }

    /// What of a normalised path lies below the base; `None` when the path lies elsewhere.
    #[must_use]
    pub fn below<'p>(&self, path: &'p str) -> Option<Below<'p>> {
        self.0.strip_from(path).map(|segments| Below { segments, ends_in_slash: path.ends_with('/') })
    }
}

/// The part of a path below the base. It has no `Debug`: paths name patients.
#[derive(Clone)]
pub struct Below<'p> {
    segments: Vec<Cow<'p, str>>,
    ends_in_slash: bool,
}

impl<'p> Below<'p> {
    /// A whole path, normalised, as if the base were the root.
    pub(super) fn root(path: &'p str) -> Self {
        Self { segments: path::segments(path).collect(), ends_in_slash: path.ends_with('/') }
    }

    /// What stands above it of the path that it is a part of: the base as the request wrote it.
    #[must_use]
    pub fn base_of(&self, path: &str) -> String {
        let mut base = path.trim_end_matches('/');
        for _ in &self.segments {
            base = base.rsplit_once('/').map_or("", |(above, _)| above);
        }
        base.to_owned()
    }

    /// Its segments, decoded. `None` when a slash stands behind the last one: to some servers it starts an id.
    pub(super) fn segments(&self) -> Option<Vec<&str>> {
        let trailing = self.ends_in_slash && !self.segments.is_empty();
        (!trailing).then(|| self.segments.iter().map(AsRef::as_ref).collect())
    }
}
