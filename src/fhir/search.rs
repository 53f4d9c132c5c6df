//! What the parameters of a request reach (<http://hl7.org/fhir/R4/search.html>).
//!
//! What they ask about, which matters where the answer is redacted, is collected beside ([`asked`]).
//!
//! Names are compared decoded. FHIR tells them apart by case, but some servers do not, so a name that would be one of
//! those judged here but for its case is refused, and so is one that is no parameter name at all (`_include[]`,
//! ` _include`): who knows what a server makes of it.
//!
//! A chain says which type a link leads to (`subject:Patient.name`) or leaves it open (`subject.name`); one that leaves
//! it open may reach every type. `_include` says the type of its source and may leave open that of its target: what an
//! answer then brings along is for the check of the answer.

mod asked;

use std::collections::BTreeSet;

use super::resource_type::ResourceType;
use super::vocabulary::{Feature, Features};
use super::{FhirError, interaction::Touched};
use crate::http::query::pairs;

/// Parameters that are judged. No other may be written like one of these but for case.
const JUDGED: &[&str] = &["_include", "_revinclude", "_has", "_filter", "_query", "_type", "_format", "_sort", "_count"];

/// Parameters of every interaction (<http://hl7.org/fhir/R4/http.html#parameters>).
const GENERAL: &[&str] = &["_format", "_pretty", "_summary", "_elements"];

/// Which parameters a request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Those of every interaction. Servers know more, `_cascade` for example, that turn a request into another.
    General,
    /// Any.
    Any,
}

/// What the parameters of a request reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) features: Features,
    pub(super) touched: Touched,
    /// Whether `_type` says which types are meant.
    pub(super) types_listed: bool,
    /// What they ask about ([`asked`]).
    pub(super) asked: BTreeSet<Box<str>>,
}

impl Parameters {
    /// Adds the parameters of a query or a form.
    pub(super) fn read(&mut self, raw: &[u8], allowed: Allowed) -> Result<(), FhirError> {
        pairs(raw).try_for_each(|pair| {
            let (name, value) = pair.map_err(|_| FhirError::Parameter)?;
            if allowed == Allowed::General && !GENERAL.contains(&&*name) {
                return Err(FhirError::UnexpectedParameter);
            }
            self.add(&name, &value)
        })
    }

    /// Adds what a parameter of an operation asks about, named in a body.
    pub(super) fn ask_by_name(&mut self, name: &str) {
        self.asked.insert(asked::form_of(name).into());
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), FhirError> {
        let base = parameter_base(name)?;
        asked::collect(name, base, value, &mut self.asked);
        if base == "_has" || name.contains('.') {
            self.reach(name)?;
        }
        match base {
            "_include" => self.include(Feature::Include, value),
            "_revinclude" => self.include(Feature::RevInclude, value),
            "_filter" => self.filter(value),
            "_query" => {
                self.features.insert(Feature::Query);
                self.touched.open = true;
                Ok(())
            }
            "_type" if name == base => self.types(value),
            // A modifier could turn the list around.
            "_type" => Err(FhirError::Parameter),
            "_format" => is_json_format(value).then_some(()).ok_or(FhirError::NotJson),
            "_sort" => {
                if value.contains(['.', ':']) {
                    self.chained_somewhere();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Reads `_has:Type:reference:parameter` and `link:Type.parameter`.
    fn reach(&mut self, name: &str) -> Result<(), FhirError> {
        let has = name.split(['.', ':']).any(|part| part == "_has");
        if has {
            self.features.insert(Feature::Has);
        }
        if name.contains('.') {
            self.features.insert(Feature::Chained);
            if has {
                self.touched.any = true;
                return Ok(());
            }
            let mut links: Vec<_> = name.split('.').collect();
            links.pop();
            return links.into_iter().try_for_each(|link| match link.split_once(':') {
                Some((_, target)) => self.name_type(target),
                None => {
                    self.touched.any = true;
                    Ok(())
                }
            });
        }
        let mut parts = name.split(':');
        while parts.next() == Some("_has") {
            self.name_type(parts.next().ok_or(FhirError::Parameter)?)?;
            parts.next().ok_or(FhirError::Parameter)?;
            if parts.clone().next().is_none() {
                return Err(FhirError::Parameter);
            }
        }
        Ok(())
    }

    /// Reads `Source:parameter:Target`, `Source:*` and `*`.
    fn include(&mut self, feature: Feature, value: &str) -> Result<(), FhirError> {
        self.features.insert(feature);
        let mut parts = value.split(':');
        match parts.next() {
            Some("*") => self.touched.open = true,
            Some(source) => self.name_type(source)?,
            None => return Err(FhirError::Parameter),
        }
        let parameter = parts.next();
        match parts.next() {
            Some(target) if target != "*" => self.name_type(target)?,
            // What refers to a resource found is of the source's type.
            _ if feature == Feature::RevInclude && parameter.is_some_and(|name| name != "*") => (),
            _ => self.touched.open = true,
        }
        parts.next().is_none().then_some(()).ok_or(FhirError::Parameter)
    }

    /// Looks for chains in a filter (<http://hl7.org/fhir/R4/search_filter.html>): `subject.name`, `subject[…].name`.
    fn filter(&mut self, value: &str) -> Result<(), FhirError> {
        self.features.insert(Feature::Filter);
        let (mut quoted, mut chars) = (false, value.chars().peekable());
        while let Some(c) = chars.next() {
            match c {
                '"' => quoted = !quoted,
                '\\' if quoted => drop(chars.next()),
                '[' if !quoted => self.chained_somewhere(),
                '.' if !quoted && chars.peek().is_some_and(|next| next.is_alphabetic() || *next == '_') => {
                    self.chained_somewhere();
                }
                _ => (),
            }
        }
        if value.contains("_has") {
            self.features.insert(Feature::Has);
            self.touched.any = true;
        }
        if quoted { Err(FhirError::Parameter) } else { Ok(()) }
    }

    fn chained_somewhere(&mut self) {
        self.features.insert(Feature::Chained);
        self.touched.any = true;
    }

    fn types(&mut self, value: &str) -> Result<(), FhirError> {
        self.types_listed = true;
        value.split(',').try_for_each(|name| self.name_type(name))
    }

    fn name_type(&mut self, name: &str) -> Result<(), FhirError> {
        self.touched.types.insert(ResourceType::parse(name).ok_or(FhirError::UnknownType)?);
        Ok(())
    }
}

/// What a rule has to name to grant a parameter of this name, if it is a name.
pub(super) fn asked_form(name: &str) -> Option<String> {
    parameter_base(name).is_ok().then(|| asked::form_of(name))
}

/// The name of a parameter without modifier and chain, if it is a name.
fn parameter_base(name: &str) -> Result<&str, FhirError> {
    let word = |part: &str| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    let miswritten = |part: &str| JUDGED.iter().any(|own| *own != part && own.eq_ignore_ascii_case(part));
    if !name.split(['.', ':']).all(|part| word(part) && !miswritten(part)) {
        return Err(FhirError::Parameter);
    }
    Ok(name.split(['.', ':']).next().unwrap_or_default())
}

/// Values of `_format` that ask for JSON. `+` is often left unescaped, and then says a space.
fn is_json_format(value: &str) -> bool {
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ["json", "text/json", "application/json", "application/fhir+json", "application/fhir json"].contains(&&*essence)
}

#[cfg(test)]
mod tests;
