//! The base of a FHIR API: the path in front of types and operations.

use std::borrow::Cow;

use crate::http::Template;
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

    /// The segments of a normalised path below the base, decoded; `None` when it lies elsewhere.
    #[must_use]
    pub fn below<'p>(&self, path: &'p str) -> Option<Vec<Cow<'p, str>>> {
        self.0.strip_from(path)
    }
}
