//! What exchanges of `tests/fixtures/audit/events.json` tell, word for word.

use crate::support::cases;

#[test]
fn an_exchange_tells_what_happened_and_nothing_else() {
    for case in cases() {
        let told = case.told();
        assert_eq!(told, case.event, "{}:\n{}", case.name, serde_json::to_string(&told).unwrap());
    }
}

#[test]
fn what_is_told_names_no_credential_body_header_or_path_of_what_is_no_fhir() {
    for case in cases() {
        let told = String::from_utf8(case.text()).unwrap();
        assert!(!told.contains("unspeakable"), "{}: {told}", case.name);
        let encoded = told.split("\"query\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        use base64::Engine as _;
        let query = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        assert!(!String::from_utf8_lossy(&query).contains("unspeakable"), "{}: {query:?}", case.name);
    }
}
