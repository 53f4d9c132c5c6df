//! What in a FHIR body the rules have to know, found while it is read: a Bundle's type and the requests in it (FHIR R4
//! section 3.1.0.11), references that are searches, the names of an operation's parameters, and tags that say a resource is
//! not all there ([`super::partial`]).

use super::partial::Coding;
use super::reason::{Reason, Rule};
use crate::fhir::{Awaits, BundleKind, EntryRequest, Interaction, ResourceType};
use crate::json::{Event, Value};

/// What in a FHIR body the rules have to know.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The `resourceType` of the root.
    resource_type: Option<String>,
    /// `Bundle.type`, where the body is a Bundle.
    bundle_type: Option<String>,
    /// `Bundle.entry.request` of each entry that has one.
    pub(super) entries: Vec<Entry>,
    /// Whether a Bundle entry has no request of its own, or one that cannot be read as R4 has it.
    has_bare_entries: bool,
    /// Each `reference` that is a search.
    pub(super) conditional_references: Vec<String>,
    /// The names of the parameters, where the body is Parameters.
    parameters: Vec<String>,
    /// Whether a resource says that it is not all there.
    is_partial: bool,
}

/// An element of `Bundle.entry`: its `request`, and what of its `resource` says what is asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    has_request: bool,
    method: String,
    url: String,
    if_none_exist: Option<String>,
    has_resource: bool,
    resource_type: Option<String>,
    /// The names of the parameters, where its resource is Parameters.
    parameters: Vec<String>,
    /// Whether its resource, or one in it, says that it is not all there.
    is_partial: bool,
}

/// Whether a resource that says it is not all there would be written over another.
pub(super) fn overwrites_by_part(interaction: &Interaction, findings: &Findings) -> bool {
    let mut entries = findings.entries.iter().zip(interaction.entries());
    let in_entry = entries.any(|(found, entry)| found.is_partial && entry.interaction.overwrites());
    in_entry || (findings.is_partial && interaction.overwrites())
}

/// Adds to an interaction what the body says of it.
pub(super) fn complete(interaction: &mut Interaction, findings: &Findings, path: &str) -> Result<(), Reason> {
    findings.conditional_references.iter().try_for_each(|reference| interaction.note_conditional_reference(reference))?;
    interaction.note_operation_body(findings.resource_type.as_deref(), findings.parameters.iter().map(String::as_str));
    let expected = interaction.body_type().map(ResourceType::name);
    if expected.is_some() && findings.resource_type.as_deref() != expected {
        return Err(Rule::MalformedBody.into());
    }
    if interaction.awaits() != Awaits::Bundle {
        return Ok(());
    }
    let kind = findings.bundle_type.as_deref().and_then(BundleKind::parse).ok_or(Rule::MalformedBody)?;
    if findings.has_bare_entries {
        return Err(Rule::MalformedBody.into());
    }
    let requests = findings.entries.iter().map(|entry| {
        let Entry { has_request: _, method, url, if_none_exist, has_resource, resource_type, parameters, is_partial: _ } =
            entry;
        let (if_none_exist, resource_type) = (if_none_exist.as_deref(), resource_type.as_deref());
        EntryRequest { method, url, if_none_exist, has_resource: *has_resource, resource_type, parameters }
    });
    Ok(interaction.read_bundle(kind, path, requests)?)
}

/// Reads the events of a FHIR body.
#[derive(Default)]
pub(super) struct Scan {
    /// The body is a patch, where what becomes a reference stands under `value`, or in a parameter.
    of_patch: bool,
    pub(super) findings: Findings,
    /// The keys of the open containers; `None` for an element of an array.
    path: Vec<Option<Box<str>>>,
    entry: Entry,
    coding: Coding,
}

impl Scan {
    pub(super) fn new(of_patch: bool) -> Self {
        Self { of_patch, ..Self::default() }
    }

    pub(super) fn visit(&mut self, event: Event<'_>) {
        match event.value {
            Value::Object | Value::Array => {
                self.path.push(event.key.map(Box::from));
                self.findings.has_bare_entries |= self.is_misplaced(event.value);
                if self.is_at(&["entry", "*"]) {
                    self.entry = Entry::default();
                } else if self.is_at(&["entry", "*", "request"]) {
                    self.entry.has_request = true;
                } else if self.is_at(&["entry", "*", "resource"]) {
                    self.entry.has_resource = true;
                } else if Coding::is_at(&self.path) {
                    self.coding = Coding::default();
                }
            }
            Value::End => {
                if self.is_at(&["entry", "*"]) {
                    let entry = std::mem::take(&mut self.entry);
                    self.findings.has_bare_entries |= !entry.has_request;
                    self.findings.entries.push(entry);
                } else if Coding::is_at(&self.path) && std::mem::take(&mut self.coding).says_partial() {
                    self.findings.is_partial = true;
                    self.entry.is_partial = true;
                }
                self.path.pop();
            }
            Value::String(text) => match event.key {
                Some(key) => self.string(key, text),
                None => self.element(text),
            },
            Value::Number(_) | Value::Bool(_) | Value::Null => (),
        }
    }

    fn string(&mut self, key: &str, text: &str) {
        self.reference(key, text);
        if Coding::is_at(&self.path) {
            self.coding.read(key, text);
        }
        match key {
            "type" if self.path.len() == 1 => self.findings.bundle_type = Some(text.to_owned()),
            "resourceType" if self.path.len() == 1 => self.findings.resource_type = Some(text.to_owned()),
            "resourceType" if self.is_at(&["entry", "*", "resource"]) => self.entry.resource_type = Some(text.to_owned()),
            "name" if self.is_under(&["parameter"]) => self.findings.parameters.push(text.to_owned()),
            "name" if self.is_under(&["entry", "resource", "parameter"]) => self.entry.parameters.push(text.to_owned()),
            "method" if self.is_at(&["entry", "*", "request"]) => text.clone_into(&mut self.entry.method),
            "url" if self.is_at(&["entry", "*", "request"]) => text.clone_into(&mut self.entry.url),
            "ifNoneExist" if self.is_at(&["entry", "*", "request"]) => self.entry.if_none_exist = Some(text.to_owned()),
            _ => (),
        }
    }

    /// A string in an array. Some servers take the element of one for what R4 has in its place.
    fn element(&mut self, text: &str) {
        let Some(key) = self.path.iter().rev().find_map(Clone::clone) else { return };
        self.reference(&key, text);
        if self.is_under(&["parameter", "name"]) {
            self.findings.parameters.push(text.to_owned());
        } else if self.is_under(&["entry", "resource", "parameter", "name"]) {
            self.entry.parameters.push(text.to_owned());
        }
    }

    fn reference(&mut self, key: &str, text: &str) {
        let is_reference = key == "reference" || key.ends_with("Reference");
        if text.contains('?') && (is_reference || self.of_patch && begins_as_search(text)) {
            self.findings.conditional_references.push(text.to_owned());
        }
    }

    /// Whether the container that opens stands where a server could take it for a request that is not read here: an
    /// object for the array of entries, anything for a member of a request.
    fn is_misplaced(&self, value: Value<'_>) -> bool {
        let is_of_request = |name| self.is_under(&["entry", "request", name]);
        (value == Value::Object && self.is_at(&["entry"]))
            || ["method", "url", "ifNoneExist"].into_iter().any(is_of_request)
    }

    /// Whether the innermost open container stands at this place below the root.
    fn is_at(&self, place: &[&str]) -> bool {
        let steps = self.path.get(1..).unwrap_or_default();
        steps.len() == place.len()
            && steps.iter().zip(place).all(|(step, wanted)| match step {
                Some(key) => &**key == *wanted,
                None => *wanted == "*",
            })
    }

    /// Whether the open containers have these keys: some servers take an element alone for an array of one.
    fn is_under(&self, keys: &[&str]) -> bool {
        self.path.iter().flatten().map(|key| &**key).eq(keys.iter().copied())
    }
}

/// Whether a text is a type and a search. Some servers drop every `/` of it first.
fn begins_as_search(text: &str) -> bool {
    let resource = text.split('?').next().unwrap_or_default().replace('/', "");
    ResourceType::parse(resource.trim()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn scan(body: &str) -> Findings {
        let mut scan = Scan::default();
        json::walk(body.as_bytes(), &json::Limits::default(), |event| scan.visit(event)).unwrap();
        scan.findings
    }

    #[test]
    fn the_requests_of_a_transaction_are_found_whatever_the_order() {
        let found = scan(
            r#"{"entry": [
                {"request": {"url": "Patient/1", "method": "DELETE"}},
                {"resource": {"resourceType": "Patient", "request": {"method": "GET"}}},
                {"request": {"ifNoneExist": "identifier=x", "method": "POST", "url": "Patient"}}],
                "type": "transaction", "resourceType": "Bundle"}"#,
        );
        assert_eq!(found.bundle_type.as_deref(), Some("transaction"));
        let [first, bare, last] = found.entries.as_slice() else { panic!("three entries") };
        assert_eq!((first.method.as_str(), first.url.as_str()), ("DELETE", "Patient/1"));
        assert_eq!((bare.has_request, bare.resource_type.as_deref()), (false, Some("Patient")));
        assert!(last.if_none_exist.is_some() && found.has_bare_entries);
    }

    #[test]
    fn an_entry_is_bare_where_a_server_could_find_a_request_that_is_not_read() {
        let request = r#"{"request": {"method": "GET", "url": "Patient/1"}}"#;
        assert!(!scan(&format!(r#"{{"entry": [{request}]}}"#)).has_bare_entries);
        for entry in [
            request,
            &format!("[[{request}]]"),
            r#"[{"request": {"method": "GET", "url": ["Patient/1"]}}]"#,
            r#"[{"request": {"method": "GET", "url": {"a": "Patient/1"}}}]"#,
            r#"[{"request": {"method": "POST", "url": "Patient", "ifNoneExist": [["a=1"]]}}]"#,
        ] {
            assert!(scan(&format!(r#"{{"entry": {entry}}}"#)).has_bare_entries, "{entry}");
        }
    }

    #[test]
    fn the_parameters_of_an_operation_are_those_of_its_own_body() {
        let body =
            r#"{"resourceType": "Parameters", "parameter": [{"name": "a", "part": [{"name": "b"}]}, {"name": "c"}]}"#;
        assert_eq!(scan(body).parameters, ["a", "c"]);
        assert_eq!(scan(r#"{"parameter": {"name": "a"}}"#).parameters, ["a"]);
        assert_eq!(scan(r#"{"parameter": [{"name": [["a"]]}]}"#).parameters, ["a"]);
        let found = scan(&format!(
            r#"{{"entry": [{{"resource": {body}}}, {{"resource": {{"name": "d"}}}}, {{"resource": null}}]}}"#
        ));
        let entries: Vec<_> = found.entries.iter().map(|entry| (entry.has_resource, entry.parameters.join(" "))).collect();
        assert_eq!(entries, [(true, "a c".to_owned()), (true, String::new()), (false, String::new())]);
        assert!(found.parameters.is_empty());
    }

    #[test]
    fn a_tag_that_says_partial_is_found_wherever_a_resource_may_stand() {
        let coding = r#"{"code": "REDACTED", "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"}"#;
        let bare = r#"{"system": null, "extension": [{"code": "x", "system": "urn:x"}], "code": "SUBSETTED"}"#;
        let escaped = r#"{"\u0063ode": "M\u0041SKED"}"#;
        for tag in [coding, bare, escaped] {
            for (body, in_entry) in [
                (format!(r#"{{"meta": {{"security": [{{"code": "R"}}, {tag}]}}}}"#), false),
                (format!(r#"{{"meta": {{"tag": [{tag}, {{"code": "R"}}]}}}}"#), false),
                (format!(r#"{{"meta": {{"security": {tag}}}}}"#), false),
                (format!(r#"{{"m\u0065ta": {{"tag": [{tag}]}}}}"#), false),
                (format!(r#"{{"contained": [{{"meta": {{"security": [{tag}]}}}}]}}"#), false),
                (format!(r#"{{"entry": [{{"resource": {{"meta": {{"security": [{tag}]}}}}}}]}}"#), true),
                (format!(r#"{{"entry": [{{"resource": {{"contained": [{{"meta": {{"tag": [{tag}]}}}}]}}}}]}}"#), true),
            ] {
                let found = scan(&body);
                let entry = found.entries.first().is_some_and(|entry| entry.is_partial);
                assert_eq!((found.is_partial, entry), (true, in_entry), "{body}");
            }
            for body in [
                format!(r#"{{"security": [{tag}]}}"#),
                format!(r#"{{"meta": {{"profile": [{tag}]}}}}"#),
                format!(r#"{{"meta": {{"security": [{{"extension": [{tag}], "code": "R"}}]}}}}"#),
            ] {
                assert!(!scan(&body).is_partial, "{body}");
            }
        }
        for other in [
            r#"{"code": "REDACTED", "system": "urn:other"}"#,
            r#"{"code": "redacted"}"#,
            r#"{"code": "R"}"#,
            r#"{"display": "REDACTED"}"#,
            r#"{"code": ["REDACTED"]}"#,
            "{}",
        ] {
            assert!(!scan(&format!(r#"{{"meta": {{"security": [{other}]}}}}"#)).is_partial, "{other}");
        }
        // What one coding says is not another's.
        assert!(!scan(r#"{"meta": {"tag": [{"code": "MASKED", "system": "urn:x"}, {"display": "x"}]}}"#).is_partial);
        let second = r#"{"entry": [{"resource": {}}, {"resource": {"meta": {"tag": [{"code": "MASKED"}]}}}]}"#;
        let entries: Vec<bool> = scan(second).entries.iter().map(|entry| entry.is_partial).collect();
        assert_eq!(entries, [false, true]);
    }

    #[test]
    fn a_reference_that_is_a_search_is_found_at_any_depth() {
        let found = |body| scan(body).conditional_references;
        assert_eq!(found(r#"{"a": [{"reference": "Patient?identifier=1"}]}"#), ["Patient?identifier=1"]);
        assert_eq!(found(r#"{"a": {"reference": [["Patient?identifier=1"]]}}"#), ["Patient?identifier=1"]);
        assert!(found(r#"{"a": [{"reference": "Patient/1", "text": ["why?"]}]}"#).is_empty());
        let patch =
            r#"[{"op": "add", "path": "/subject/reference", "value": "/Patient?a=1"}, {"value": ["Group?b=2", "why?"]}]"#;
        assert!(found(patch).is_empty());
        let mut scan = Scan::new(true);
        json::walk(patch.as_bytes(), &json::Limits::default(), |event| scan.visit(event)).unwrap();
        assert_eq!(scan.findings.conditional_references, ["/Patient?a=1", "Group?b=2"]);
    }
}
