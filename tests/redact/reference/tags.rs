//! What a resource is tagged with: what the rules of a profile can do to its type, whatever is found in it.

use std::collections::BTreeSet;

use carewarden::fhir::elements::{Kind, Type};

use super::node::Node;
use super::profile::{Deed, Look, Rule};

/// The codes of a resource type; none where no rule is about it.
pub(super) fn codings(rules: &[Rule], kind: &str) -> Option<Vec<Node>> {
    let types = reachable(Type::named(kind)?);
    let touches = |rule: &&Rule| match &rule.look {
        Look::Path(of, _) => of == kind,
        Look::Type(name, _) => types.contains(&**name),
        Look::JsonPath(_) | Look::Key(_) | Look::Root => true,
        Look::Unknown => false,
    };
    let deeds: Vec<Deed> = rules.iter().filter(touches).map(|rule| rule.deed).collect();
    let does = |wanted: &[Deed]| deeds.iter().any(|deed| wanted.contains(deed));
    let found = [
        ("REDACTED", does(&[Deed::Remove, Deed::Scan, Deed::Year, Deed::Zip3, Deed::AgeCap])),
        ("MASKED", does(&[Deed::Replace, Deed::Mask])),
        ("PSEUDED", does(&[Deed::Hash])),
        ("ABSTRED", does(&[Deed::Year, Deed::Zip3, Deed::AgeCap])),
    ];
    let codings: Vec<Node> = found.iter().filter(|(_, does)| *does).map(|(code, _)| coding(code)).collect();
    (!codings.is_empty()).then_some(codings)
}

/// All types of values in a resource, but for those in other resources.
fn reachable(of: Type) -> BTreeSet<&'static str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![of]);
    while let Some(of) = open.pop() {
        if !found.insert(of.name()) {
            continue;
        }
        open.extend(of.elements().iter().map(|element| element.of()).filter(|of| of.kind() != Kind::AnyResource));
        // Every primitive may have a twin.
        open.extend((of.kind() == Kind::Primitive).then(Type::twin).flatten());
    }
    found
}

fn coding(code: &str) -> Node {
    let member = |key: &str, text: &str| (format!("\"{key}\""), Node::Scalar(format!("\"{text}\"")));
    let system = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
    Node::Object(None, vec![member("system", system), member("code", code)])
}

/// The twin of a value that had to be there.
pub(super) fn masked_twin() -> Node {
    let member = |key: &str, text: &str| (format!("\"{key}\""), Node::Scalar(format!("\"{text}\"")));
    let url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    let extension = Node::Object(None, vec![member("url", url), member("valueCode", "masked")]);
    Node::Object(None, vec![("\"extension\"".to_owned(), Node::Array(vec![extension]))])
}
