//! `Accept` on a FHIR route: only JSON is looked into, so a request that takes XML or Turtle and no JSON gets nothing.

use crate::http::Headers;

/// Whether a request takes XML or Turtle, and neither JSON nor one of the media types that pass unseen.
#[must_use]
pub fn wants_other_format(head: &Headers, unseen: &[String]) -> bool {
    let mut wants = false;
    for value in head.all("accept") {
        for range in value.split(|byte| *byte == b',') {
            let text = String::from_utf8_lossy(range).to_ascii_lowercase();
            let mut parts = text.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default();
            if parts.any(is_never) {
                continue;
            }
            if takes_json(essence) || unseen.iter().any(|listed| listed == essence) {
                return false;
            }
            wants |= is_other(essence);
        }
    }
    wants
}

/// Whether a parameter is a weight of nothing (RFC 9110 section 12.4.2).
fn is_never(parameter: &str) -> bool {
    let weight = parameter.strip_prefix("q=").map(str::trim);
    weight.is_some_and(|weight| weight.starts_with('0') && weight.bytes().all(|byte| byte == b'0' || byte == b'.'))
}

fn takes_json(essence: &str) -> bool {
    matches!(essence, "*/*" | "application/*" | "application/json+fhir") || essence.ends_with("json")
}

/// The formats of FHIR beside JSON, under the names that they have had (<http://hl7.org/fhir/R4/http.html#mime-type>).
fn is_other(essence: &str) -> bool {
    let is_xml = essence.ends_with("/xml") || essence.ends_with("+xml") && !essence.starts_with("image/");
    is_xml || essence.ends_with("turtle") || matches!(essence, "application/xml+fhir" | "application/n-triples")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(values: &[&str], unseen: &[&str]) -> bool {
        let head = Headers::from_pairs(values.iter().map(|value| ("accept", value)));
        wants_other_format(&head, &unseen.iter().map(|listed| (*listed).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_takes_json_or_what_passes_unseen_is_served() {
        for values in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/fhir+json"],
            &["application/fhir+xml", "application/fhir+json;q=0.1"],
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            &["APPLICATION/JSON"],
            &["image/svg+xml"],
            &["image/png"],
        ] {
            assert!(!wants(values, &[]), "{values:?}");
        }
        assert!(!wants(&["application/pdf, application/xml"], &["application/pdf"]));
    }

    #[test]
    fn what_takes_xml_or_turtle_alone_is_not() {
        for values in [
            &["application/fhir+xml"][..],
            &["application/xml"],
            &["text/xml; charset=utf-8"],
            &["Application/FHIR+Xml"],
            &["text/turtle"],
            &["application/fhir+turtle"],
            &["application/fhir+xml, application/fhir+json;q=0"],
            &["application/fhir+xml", "*/*; q=0.000"],
        ] {
            assert!(wants(values, &[]), "{values:?}");
        }
    }
}
