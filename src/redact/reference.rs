//! Where the id stands in a FHIR reference (R4, references.html section 2.3.0.1), so that a hash can replace it alone
//! and the reference still leads to what has the same hash. What is around the id stays, so it has to be known for
//! what it is: the base of a server, a type, the number of a version.

use std::ops::Range;

use crate::fhir::ResourceType;

/// The members whose strings are references, or URLs that may be (`Bundle.link.url`, `Bundle.entry.response.location`).
#[inline]
pub(super) fn is_reference_key(key: &[u8]) -> bool {
    matches!(key, b"reference" | b"fullUrl" | b"url" | b"location")
}

/// Where the id stands in `#id`, `urn:uuid:id`, `urn:oid:id`, or `Type/id` with a base before it and a version after it
/// or not. `None` for everything else, a search or an unknown type, say.
pub(super) fn id_in(reference: &str) -> Option<Range<usize>> {
    let rest_of = |rest: &str| (!rest.is_empty()).then(|| reference.len() - rest.len()..reference.len());
    if let Some(rest) = reference.strip_prefix('#') {
        return rest_of(rest);
    }
    for scheme in ["urn:uuid:", "urn:oid:"] {
        if let Some((start, rest)) = reference.split_at_checked(scheme.len())
            && start.eq_ignore_ascii_case(scheme)
        {
            return rest_of(rest);
        }
    }
    located(reference).map(|(_, id)| id)
}

/// What of a reference stays before the id, which a hash replaces, the id, and what stays after it. `None` where the base
/// may tell of somebody, too.
pub(super) fn split_at_id(reference: &str) -> Option<[&str; 3]> {
    let id = id_in(reference)?;
    let before = reference.get(..id.start).filter(|before| !leads_through_somebody(before))?;
    let after = reference.get(id.end..).filter(|after| is_number_of_version(after)).unwrap_or_default();
    Some([before, reference.get(id)?, after])
}

/// Types by whose names the APIs of clouds lead to a server: `/locations/europe-west3/datasets/…`.
const TENANTS: &[&str] = &["Endpoint", "Location", "Organization"];

/// Whether the path to a type has a number in it that may be somebody's, or resources by another name, as
/// `/patients/jane/Observation/` has. The host is that of the server, and a UUID that of a store on it.
fn leads_through_somebody(before: &str) -> bool {
    let base = before.strip_suffix('/').and_then(|typed| typed.rsplit_once('/')).map_or("", |(base, _)| base);
    let has_number = |segment: &str| segment.as_bytes().windows(4).any(|four| four.iter().all(u8::is_ascii_digit));
    base.split('/').skip(3).any(|segment| has_number(segment) && !is_uuid(segment) || names_resources(segment))
}

fn is_uuid(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_hexdigit).count();
    digits == 32 && segment.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Whether it is the name of a type in any case, or its plural.
fn names_resources(segment: &str) -> bool {
    let plural = segment.to_ascii_lowercase();
    let singular = match plural.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => plural.strip_suffix('s').unwrap_or(&plural).to_owned(),
    };
    let is_called = |name: &str| name.eq_ignore_ascii_case(&plural) || name.eq_ignore_ascii_case(&singular);
    ResourceType::names().iter().any(|name| is_called(name) && !TENANTS.contains(name))
}

/// Some servers number versions, others make them of the time, or of what they imported: the reference then leads to the
/// current one.
fn is_number_of_version(after: &str) -> bool {
    let number = after.strip_prefix("/_history/").unwrap_or_default();
    (1..=4).contains(&number.len()) && !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The type that a URL of a resource names, where [`id_in`] finds its id.
pub(super) fn type_in(url: &str) -> Option<ResourceType> {
    located(url).map(|(kind, _)| kind)
}

/// The type in `Type/id` and where the id stands.
fn located(reference: &str) -> Option<(ResourceType, Range<usize>)> {
    let (mut before, mut id) = reference.rsplit_once('/')?;
    if let Some(unversioned) = before.strip_suffix("/_history") {
        if !is_id(id) {
            return None;
        }
        (before, id) = unversioned.rsplit_once('/')?;
    }
    let (base, kind) = before.rsplit_once('/').unwrap_or(("", before));
    let is_based = base.is_empty() && !before.starts_with('/') || is_base(base);
    let kind = ResourceType::parse(kind).filter(|_| is_id(id) && is_based)?;
    Some((kind, before.len() + 1..before.len() + 1 + id.len()))
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// Whether it is the base of a FHIR API: a URL without credentials or a query, which names no resource itself.
fn is_base(text: &str) -> bool {
    let scheme =
        |scheme: &str| text.split_at_checked(scheme.len()).is_some_and(|(start, _)| start.eq_ignore_ascii_case(scheme));
    // Beyond ASCII there is white space, too.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"?#\"\\@%;".contains(&byte);
    (scheme("http://") || scheme("https://"))
        && text.bytes().all(is_plain)
        && !text.split('/').any(|segment| ResourceType::parse(segment).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_in_every_form_of_a_reference() {
        for (reference, id) in [
            ("Patient/123", "123"),
            ("Patient/123/_history/4", "123"),
            ("https://ehr.example/fhir/Patient/a-1.b", "a-1.b"),
            ("HTTP://ehr.example/Patient/1/_history/2", "1"),
            ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"),
            ("urn:oid:1.2.3", "1.2.3"),
            ("#p1", "p1"),
            ("http://[2001:db8::1]:8080/r4/Patient/1", "1"),
        ] {
            assert_eq!(id_in(reference).and_then(|range| reference.get(range)), Some(id), "{reference}");
        }
    }

    #[test]
    fn anything_else_has_no_id() {
        for reference in [
            "",
            "#",
            "123",
            "/Patient/1",
            "Doctor/1",
            "patient/1",
            "Patient/",
            "Patient/1/",
            "Patient/a b",
            "Patient?identifier=1",
            "Patient/1/_history/",
            "Patient/1/_history/a/b",
            "https://x/Patient?name=/Patient/1",
            "ftp://x/Patient/1",
            "urn:uuid:",
            "urn:isbn:1",
            "https://x/Patient/123/Observation/4",
            "https://x/Patient/123/_history/1/Observation/4",
            "https://ann:secret@x/Patient/1",
            "https://x/a%20name/Patient/1",
            "https://x/a;b/Patient/1",
            "Patient/123/Observation/4",
            "Patient/1#name",
            "Patient/1|2",
            "Patient/1/$everything",
        ] {
            assert_eq!(id_in(reference), None, "{reference}");
        }
    }

    #[test]
    fn only_a_small_number_of_a_version_stays_behind_a_hash() {
        for (version, stays) in [("1", true), ("9999", true), ("10000", false), ("0", false), ("012", false), ("1a", false)]
        {
            let (reference, after) = (format!("Patient/7/_history/{version}"), format!("/_history/{version}"));
            let expected = ["Patient/", "7", if stays { &after } else { "" }];
            assert_eq!(split_at_id(&reference), Some(expected), "{version}");
        }
        assert_eq!(split_at_id("Patient/7"), Some(["Patient/", "7", ""]));
    }

    #[test]
    fn no_base_stays_before_a_hash_that_may_lead_through_somebody() {
        for base in [
            "https://x/patients/jane/",
            "https://x/patient/",
            "https://x/PATIENTS/jane/",
            "https://x/familymemberhistories/a/",
            "https://x/by-mrn/12345/",
            "https://x/1950-01-01/",
            "https://x/fhir/a1234b/",
        ] {
            assert_eq!(split_at_id(&format!("{base}Observation/4")), None, "{base}");
        }
        for base in [
            "",
            "https://patients.example:8443/",
            "https://x12345/r4/fhir123/",
            "http://patient/api/v1/",
            "https://healthcare.example/v1/projects/p/locations/europe-west3/datasets/d/fhirStores/f/fhir/",
            "https://healthlake.example/datastore/eeb8005725ae22b35b4edbdc68cf2dfd/r4/",
            "https://x/0c0d2ff1-1234-4d64-b04d-cd9187a4c6e0/fhir/",
        ] {
            let expected = format!("{base}Observation/");
            assert_eq!(split_at_id(&format!("{base}Observation/4")), Some([expected.as_str(), "4", ""]), "{base}");
        }
    }
}
