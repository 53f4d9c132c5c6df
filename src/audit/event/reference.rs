//! References to resources, as clients and upstreams write them.

/// The id in a reference to a patient, as a client or the upstream wrote it.
pub(super) fn patient_id(reference: &str) -> Option<&str> {
    let id = match reference.rsplit_once('/') {
        Some((before, id)) if before == "Patient" || before.ends_with("/Patient") => id,
        Some(_) => return None,
        None => reference,
    };
    is_id(id).then_some(id)
}

/// `Type/id`, or `Type/id/_history/version`, out of the address of a resource of this type.
pub(crate) fn own_reference<'l>(location: &'l str, kind: &str) -> Option<&'l str> {
    let (resource, version) =
        location.rsplit_once("/_history/").map_or((location, None), |(r, version)| (r, Some(version)));
    let (before, id) = resource.rsplit_once('/')?;
    let at = before.len().checked_sub(kind.len())?;
    let is_own = before.get(at..) == Some(kind) && (at == 0 || before.get(..at)?.ends_with('/'));
    if is_own && is_id(id) && version.is_none_or(is_id) { location.get(at..) } else { None }
}

/// <http://hl7.org/fhir/R4/datatypes.html#id>
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}
