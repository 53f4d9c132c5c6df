//! Parameters of queries and forms, and headers, as a policy describes them.
//!
//! Names are compared decoded and by case. What stands more often than described is refused, once unless the policy says
//! otherwise: of two values one server takes the first, another the last, a third both. A header that is described is
//! refused in other spellings (`x_tenant`), since some servers make `-` and `_` the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regex::bytes::Regex;

use super::{Place, Violation, pattern, value};
use crate::http::{Headers, query};
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model::{self, Others, ValueForm};

/// The longest value where the policy does not say.
const MAX_LENGTH: usize = 1024;

/// The parameters of a query or a form.
#[derive(Debug)]
pub struct Parameters {
    known: BTreeMap<Box<str>, Rule>,
    allows_others: bool,
    is_fhir: bool,
}

/// The headers that are described.
#[derive(Debug, Default)]
pub struct Fields(BTreeMap<Box<str>, Rule>);

/// What a parameter has to be.
#[derive(Debug)]
struct Rule {
    form: Option<ValueForm>,
    pattern: Option<Regex>,
    one_of: Option<Vec<Box<str>>>,
    max_length: usize,
    max_count: usize,
    required: bool,
}

impl Parameters {
    /// Compiles what a policy says at `at`.
    pub fn compile(written: &model::ParameterList, is_fhir: bool, at: &Node, report: &mut Report) -> Self {
        let model::ParameterList { known, others } = written;
        let known = known.iter().map(|(name, parameter)| {
            let at = at.key("known").key(name);
            if name.is_empty() {
                report
                    .error(at, Code::InvalidValue, "a parameter has a name")
                    .help("write the name as it is meant, decoded");
            }
            (name.as_str().into(), Rule::compile(parameter, at, report))
        });
        Self { known: known.collect(), allows_others: *others == Others::Allow, is_fhir }
    }

    /// The name, as the policy writes it, if it is described.
    #[must_use]
    pub fn known_name(&self, name: &str) -> Option<&str> {
        self.known.get_key_value(name).map(|(own, _)| &**own)
    }

    /// Checks a query or a form. `None` where it is none.
    pub fn check(&self, raw: &[u8]) -> Result<(), Option<Violation>> {
        self.check_pairs(&mut query::pairs(raw).map(|pair| pair.map_err(drop)))
    }

    /// The same of names and values that were read elsewhere.
    pub fn check_pairs<'p>(
        &self,
        pairs: &mut dyn Iterator<Item = Result<(Cow<'p, str>, Cow<'p, str>), ()>>,
    ) -> Result<(), Option<Violation>> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for pair in pairs {
            let (name, value) = pair.map_err(|()| None)?;
            let Some((own, rule)) = self.known.get_key_value(&*name) else {
                if self.allows_others {
                    continue;
                }
                return Err(Some(Violation::new(Place::Parameter, "", "others")));
            };
            let refuse = |why: &'static str| Some(Violation::new(Place::Parameter, &**own, why));
            rule.check(value.as_bytes(), self.is_fhir).map_err(refuse)?;
            let count = counts.entry(own).or_default();
            *count = count.saturating_add(1);
            if *count > rule.max_count {
                return Err(refuse("max_count"));
            }
        }
        let missing = self.known.iter().find(|(name, rule)| rule.required && !counts.contains_key(&***name));
        match missing {
            Some((name, _)) => Err(Some(Violation::new(Place::Parameter, &**name, "required"))),
            None => Ok(()),
        }
    }
}

/// For explanations. Not part of the module for Envoy.
#[cfg(not(target_family = "wasm"))]
impl Parameters {
    /// The parameters of a query or a form that are not described and may not be there.
    #[must_use]
    pub fn unknown(&self, raw: &[u8]) -> Vec<String> {
        let names = query::pairs(raw).filter_map(Result::ok).map(|(name, _)| name.into_owned());
        names.filter(|name| !self.allows_others && !self.known.contains_key(name.as_str())).collect()
    }

    /// The names of those that are described.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(|name| &**name)
    }
}

impl Fields {
    /// Compiles what a policy says at `at`.
    pub fn compile(written: &BTreeMap<String, model::Parameter>, at: &Node, report: &mut Report) -> Self {
        let fields = written.iter().map(|(name, parameter)| {
            let at = at.key(name);
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
            if name.is_empty() || !name.bytes().all(fits) {
                let hint = report.error(at, Code::InvalidValue, format!("`{name}` is no name of a header"));
                hint.help("use small letters, digits and `-`");
            }
            (name.as_str().into(), Rule::compile(parameter, at, report))
        });
        Self(fields.collect())
    }

    /// Whether none is described.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks the head of a request.
    pub fn check(&self, head: &Headers) -> Result<(), Violation> {
        for (name, rule) in &self.0 {
            let refuse = |why: &'static str| Violation::new(Place::Header, &**name, why);
            let mut count = 0_usize;
            for (own, value) in head.iter() {
                if own == name.as_bytes() {
                    count = count.saturating_add(1);
                    rule.check(value, false).map_err(refuse)?;
                } else if is_spelling_of(own, name) {
                    return Err(refuse("spelling"));
                }
            }
            if count > rule.max_count {
                return Err(refuse("max_count"));
            }
            if rule.required && count == 0 {
                return Err(refuse("required"));
            }
        }
        Ok(())
    }
}

/// Whether a server could take one name for the other.
fn is_spelling_of(name: &[u8], known: &str) -> bool {
    let fold = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == known.len() && name.iter().map(fold).eq(known.as_bytes().iter().map(fold))
}

impl Rule {
    fn compile(written: &model::Parameter, at: &Node, report: &mut Report) -> Self {
        let model::Parameter { form, pattern, one_of, max_length, max_count, required } = written;
        if one_of.as_ref().is_some_and(Vec::is_empty) {
            report
                .error(at.key("one_of"), Code::InvalidValue, "no value is one of none")
                .help("name the values, or leave it out");
        }
        if *max_count == Some(0) {
            let hint = report.error(at.key("max_count"), Code::InvalidValue, "a parameter that may not be there");
            hint.help("leave the parameter out of `known`");
        }
        Self {
            form: *form,
            pattern: pattern.as_deref().and_then(|text| pattern::compile(text, at.key("pattern"), report)),
            one_of: one_of.as_ref().map(|values| values.iter().map(|value| value.as_str().into()).collect()),
            max_length: max_length.unwrap_or(MAX_LENGTH),
            max_count: max_count.unwrap_or(1),
            required: *required,
        }
    }

    fn check(&self, value: &[u8], is_fhir: bool) -> Result<(), &'static str> {
        let Self { form, pattern, one_of, max_length, max_count: _, required: _ } = self;
        if value.len() > *max_length {
            return Err("max_length");
        }
        if let Some(form) = form
            && !std::str::from_utf8(value).is_ok_and(|value| value::has_form(value, *form, is_fhir))
        {
            return Err("type");
        }
        if one_of.as_ref().is_some_and(|values| !values.iter().any(|one| one.as_bytes() == value)) {
            return Err("one_of");
        }
        if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(value)) {
            return Err("pattern");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled<T>(text: &str, compile: impl Fn(&Node, &mut Report) -> T) -> T {
        let mut report = Report::new(text);
        let node = Node::parse(text, &mut report).unwrap();
        let compiled = compile(&node, &mut report);
        assert!(!report.has_errors(), "{:?}", report.into_vec());
        compiled
    }

    fn query(text: &str, raw: &str) -> Result<(), String> {
        let written: model::ParameterList = serde_json::from_str(text).unwrap();
        let parameters = compiled(text, |at, report| Parameters::compile(&written, true, at, report));
        let problem = |found: Option<Violation>| found.map_or("unreadable".to_owned(), |found| found.to_string());
        parameters.check(raw.as_bytes()).map_err(problem)
    }

    #[test]
    fn a_query_is_refused_by_the_first_rule_that_does_not_hold() {
        let text = r#"{"known": {
            "name": {"max_length": 5, "max_count": 2},
            "name:exact": {},
            "_count": {"type": "integer", "required": true},
            "status": {"one_of": ["active", "on hold"]},
            "code": {"pattern": "[A-Z]{2}[0-9]+"}}}"#;
        let is = |raw: &str, expected: &str| {
            let found = query(text, raw).err().unwrap_or_default();
            assert_eq!(found, expected, "{raw}");
        };
        is("_count=5&name=a&name=b&name:exact=x&status=on%20hold&code=AB1", "");
        is("_count=5&name=a&name=b&n%61me=c", "max_count at name");
        is("_count=5&name=abcdef", "max_length at name");
        is("_count=5&_count=6", "max_count at _count");
        is("_count=%2500", "type at _count");
        is("name=a", "required at _count");
        is("_count=5&Name=a", "others at (root)");
        is("_count=5&name%00=a", "unreadable");
        is("_count=5&status=off", "one_of at status");
        is("_count=5&code=AB1x", "pattern at code");
        is("_count=5&code=AB1%0Ax", "pattern at code");
    }

    #[test]
    fn others_pass_only_where_the_policy_says_so() {
        assert_eq!(query(r#"{"known": {}, "others": "allow"}"#, "a=1&a=2"), Ok(()));
        assert_eq!(query("{}", ""), Ok(()));
        assert!(query("{}", "a=1").is_err());
    }

    #[test]
    fn a_header_is_refused_by_the_first_rule_that_does_not_hold() {
        let text = r#"{"x-tenant": {"required": true, "pattern": "[a-z]+"}, "x-page": {"type": "integer"}}"#;
        let written: BTreeMap<String, model::Parameter> = serde_json::from_str(text).unwrap();
        let fields = compiled(text, |at, report| Fields::compile(&written, at, report));
        let check =
            |pairs: &[(&str, &[u8])]| fields.check(&Headers::from_pairs(pairs.iter().copied())).map_err(|v| v.to_string());
        assert_eq!(check(&[("x-tenant", b"north"), ("x-other", b"\xff")]), Ok(()));
        for (head, problem) in [
            (&[("x-page", &b"1"[..])][..], "required at x-tenant"),
            (&[("x-tenant", b"north"), ("x-tenant", b"south")], "max_count at x-tenant"),
            (&[("x-tenant", b"north"), ("x_tenant", b"south")], "spelling at x-tenant"),
            (&[("x-tenant", b"north\xff")], "pattern at x-tenant"),
            (&[("x-tenant", b"north"), ("x-page", b"\xff")], "type at x-page"),
        ] {
            assert_eq!(check(head), Err(problem.to_owned()));
        }
    }
}
