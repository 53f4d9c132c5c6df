//! The shape of FHIR documents: what R4 describes passes whatever it says, and any one thing that is wrong is found.

use carewarden::fhir::ResourceType;
use carewarden::fhir::elements::Type;
use carewarden::json::Limits;
use carewarden::validate::Shape;
use serde_json::Value;

use crate::generate::{Random, breaks, late, resource};

fn violation(document: &Value) -> Option<String> {
    let shaped = Shape::check(document.to_string().as_bytes(), &Limits::default()).expect("JSON within limits");
    shaped.violation.map(|found| found.to_string())
}

#[test]
fn valid_documents_of_every_type_pass_in_any_order() {
    let mut count = 0;
    for kind in ResourceType::each() {
        let of = Type::of_resource(kind).expect("a type");
        for seed in 0..20 {
            let document = resource(&mut Random::new(seed), of, 3);
            for document in [late(&document), document] {
                assert_eq!(violation(&document), None, "{kind:?} {seed}: {document}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 146 * 40);
}

#[test]
fn whatever_is_broken_in_one_place_is_found() {
    let mut count = 0;
    for kind in ResourceType::each() {
        let of = Type::of_resource(kind).expect("a type");
        let document = resource(&mut Random::new(7), of, 2);
        for broken in breaks(&document) {
            let document = if count % 8 == 0 { late(&broken.document) } else { broken.document };
            assert!(violation(&document).is_some(), "{kind:?}: {}: {document}", broken.how);
            count += 1;
        }
    }
    assert!(count > 20_000, "only {count} documents");
}
