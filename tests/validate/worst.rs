//! The worst documents get a verdict like any other. `make bench` measures how long they take.

#[path = "../worst/validation.rs"]
mod bodies;

#[test]
fn the_worst_documents_get_a_verdict() {
    assert_eq!(bodies::shape(&bodies::ordinary_shape()), Some(true));
    assert!(bodies::hostile_shapes().iter().all(|(_, body)| bodies::shape(body).is_some()));
    let engine = bodies::engine();
    assert_eq!(bodies::post(&engine, &bodies::ordinary_document()), "allowed");
    for (name, body) in bodies::hostile_documents() {
        let reason = bodies::post(&engine, &body);
        assert!(matches!(reason, "allowed" | "schema_violation"), "{name}: {reason}");
    }
}
