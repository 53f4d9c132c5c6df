//! The head of a request that is sent on: what is taken off, and what is put on.
//!
//! Taken off: names that tell the upstream who asks, in every spelling that an upstream could take for one (CGI and WSGI
//! make `-` and `_` the same); names that make some upstreams serve another path or host than the one judged; the baggage
//! of traces; the credentials of every provider, unless the one that was used forwards them (of a query and of cookies
//! only they); and, where the answer is redacted, everything that asks for part of it, for an encoding of it, or for
//! nothing when it is unchanged.

use std::borrow::Cow;
use std::rc::Rc;

use super::effect::Change;
use super::reason::{Reason, Rule};
use crate::http::{Headers, cookie, parameter};
use crate::identity::{Principal, Providers};
use crate::policy::model::IdentityHeaders;

/// Every header of this prefix is ours.
const OWN_PREFIX: &str = "x-carewarden-";

/// Headers by which a client makes some upstream serve another path or host.
const REWRITING: &[&str] = &[
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-original-host",
    "x-host",
    "forwarded",
];

/// What a client hangs on a trace: services pass it on to all that they call, and some believe it.
const BAGGAGE: &[&str] = &["baggage", "correlation-context", "jaeger-baggage"];

/// The same, an item a header.
const BAGGAGE_PREFIXES: &[&str] = &["ot-baggage-", "uberctx-"];

/// Headers by which a client makes some upstream see another method.
const METHOD_OVERRIDES: &[&str] = &["x-http-method-override", "x-http-method", "x-method-override"];

/// The parameter and form field by which it does the same.
pub(super) const METHOD_PARAMETER: &str = "_method";

/// Headers by which FHIR servers do more than what is judged. HAPI's `X-Cascade` is the parameter `_cascade`, which removes
/// what refers to a resource; others of its headers write over versions, or over what is there unseen. From `X-Provenance`
/// a server makes a Provenance (<http://hl7.org/fhir/R4/provenance.html#header>).
const FHIR_EXTENSIONS: &[&str] = &[
    "x-cascade",
    "x-rewrite-history",
    // HAPI misspells it.
    "x-upsert-extistence-check",
    "x-upsert-existence-check",
    "x-provenance",
];

/// Request headers after which an answer is not a whole one in clear.
const PARTIAL: &[&str] = &["range", "if-range", "if-none-match", "if-modified-since"];

/// Refuses a request that asks for another method than its own.
pub(super) fn refuse_method_override(head: &Headers) -> Result<(), Reason> {
    let is_override = |name: &[u8]| METHOD_OVERRIDES.iter().any(|known| is_spelling_of(name, known));
    if head.iter().any(|(name, _)| is_override(name)) { Err(Rule::MethodOverride.into()) } else { Ok(()) }
}

/// Refuses parameters of a query or a form that do the same: some frameworks let forms of HTML say PUT and DELETE so.
pub(super) fn refuse_method_parameter(pairs: &str) -> Result<(), Reason> {
    if parameter::find(pairs, METHOD_PARAMETER) == Ok(None) { Ok(()) } else { Err(Rule::MethodOverride.into()) }
}

/// Refuses a request that asks a FHIR server for more than what rules see of it.
pub(super) fn refuse_fhir_extension(head: &Headers) -> Result<(), Reason> {
    let is_extension = |name: &[u8]| FHIR_EXTENSIONS.iter().any(|known| is_spelling_of(name, known));
    if head.iter().any(|(name, _)| is_extension(name)) { Err(Rule::HeaderRefused.into()) } else { Ok(()) }
}

/// Takes off what only we may say: names that tell the upstream who asks.
pub(super) fn strip_forged(head: &Headers, own: &[Rc<str>]) -> Vec<Change> {
    strip(head, &|name| begins(name, OWN_PREFIX) || own.iter().any(|known| is_spelling_of(name, known)))
}

/// Takes off what would make an upstream serve something else than what was judged.
pub(super) fn strip_rewriting(head: &Headers) -> Vec<Change> {
    strip(head, &|name| REWRITING.iter().any(|known| is_spelling_of(name, known)))
}

/// Takes off what a client has a trace carry through all services.
pub(super) fn strip_baggage(head: &Headers) -> Vec<Change> {
    strip(head, &|name| {
        BAGGAGE.iter().any(|known| is_spelling_of(name, known))
            || BAGGAGE_PREFIXES.iter().any(|prefix| begins(name, prefix))
    })
}

/// Takes off the headers of these names.
pub(super) fn strip_named(head: &Headers, names: &[&str]) -> Vec<Change> {
    strip(head, &|name| names.iter().any(|known| is_spelling_of(name, known)))
}

/// Takes off what an upstream could take for the headers of these names, which stay: nobody judged it.
pub(super) fn strip_misspelt(head: &Headers, names: &[&str]) -> Vec<Change> {
    let is_own = |name: &[u8]| names.iter().any(|known| name == known.as_bytes());
    strip(head, &|name| !is_own(name) && names.iter().any(|known| is_spelling_of(name, known)))
}

/// Takes off the cookies of these names, and leaves the others as they are.
pub(super) fn strip_cookies(head: &Headers, names: &[&str]) -> Option<Change> {
    let left = cookie::without(head, names)?;
    Some(if left.is_empty() { Change::Remove(b"cookie".to_vec()) } else { Change::Set("cookie".into(), left) })
}

/// Takes the parameters of these names out of the address that the request says it comes from: a page whose own address
/// holds a credential repeats it there (RFC 9110 section 10.1.3).
pub(super) fn strip_referer(head: &Headers, names: &[&str]) -> Option<Change> {
    const REFERER: &str = "referer";
    if names.is_empty() {
        return None;
    }
    let remove = Some(Change::Remove(REFERER.into()));
    let Ok(value) = head.single(REFERER) else { return remove };
    let Ok(value) = std::str::from_utf8(value?) else { return remove };
    let (address, query) = value.split_once('?')?;
    let left = parameter::without(query, names)?;
    let separator = if left.is_empty() { "" } else { "?" };
    Some(Change::Set(REFERER.into(), format!("{address}{separator}{left}").into_bytes()))
}

/// Asks for the whole answer in clear.
pub(super) fn ask_for_whole(head: &Headers) -> Vec<Change> {
    let mut changes = strip(head, &|name| PARTIAL.iter().any(|known| is_spelling_of(name, known)));
    changes.push(Change::Set("accept-encoding".into(), b"identity".to_vec()));
    changes
}

/// Says who asks. What is not known is not said. What the client said of it ([`strip_forged`]) must be gone by then.
pub(super) fn identify(principal: &Principal, names: &IdentityHeaders) -> Vec<Change> {
    let IdentityHeaders { provider, client, subject, roles } = names;
    let list =
        |items: &mut dyn Iterator<Item = &str>| items.filter(|item| !item.contains(',')).collect::<Vec<_>>().join(",");
    let values = [
        (provider, list(&mut principal.providers.iter().map(|name| &**name))),
        (client, principal.client.as_deref().unwrap_or_default().to_owned()),
        (subject, principal.subject.as_deref().unwrap_or_default().to_owned()),
        (roles, list(&mut principal.roles.iter().map(|role| &**role))),
    ];
    let said = values.into_iter().filter(|(_, value)| !value.is_empty() && is_field_value(value));
    said.map(|(name, value)| Change::Add(Cow::Owned(name.clone()), value.into_bytes())).collect()
}

/// Says what the claims of the caller say, as the providers that vouched have it said.
pub(super) fn tell_claims(principal: &Principal, providers: &Providers) -> Vec<Change> {
    let told = providers.claim_headers(principal).into_iter();
    told.map(|(name, value)| Change::Set(Cow::Owned(name.to_owned()), value.into_bytes())).collect()
}

/// Whether a claim can be a header: anything else could end the field and begin another (RFC 9110 section 5.5).
fn is_field_value(value: &str) -> bool {
    value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && value.trim() == value
}

/// One function for all kinds, and small: the module has a size to keep.
fn strip(head: &Headers, is_unwanted: &dyn Fn(&[u8]) -> bool) -> Vec<Change> {
    let mut names: Vec<&[u8]> = head.iter().map(|(name, _)| name).filter(|name| is_unwanted(name)).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| Change::Remove(name.to_vec())).collect()
}

/// Whether an upstream could take `name` for one that begins so.
fn begins(name: &[u8], prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| is_spelling_of(start, prefix))
}

/// Whether an upstream could take `name` for `known`, which is in lower case with dashes.
fn is_spelling_of(name: &[u8], known: &str) -> bool {
    // CGI hosts make a `_` of whatever is no letter and no digit.
    let fold = |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.len() == known.len() && name.iter().map(fold).eq(known.as_bytes().iter().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(names: &[&str]) -> Headers {
        Headers::from_pairs(names.iter().map(|name| (name, "x")))
    }

    #[test]
    fn every_spelling_of_an_identity_header_goes() {
        let head = head(&[
            "x-carewarden-client",
            "x_carewarden_roles",
            "x-carewarden_anything",
            "x.carewarden!client",
            "x-carewarde-n",
            "x-user",
            "x~user",
        ]);
        assert_eq!(strip_forged(&head, &["x-user".into()]).len(), 6);
    }

    #[test]
    fn a_method_override_is_refused_in_every_spelling() {
        assert!(refuse_method_override(&head(&["x-http-method"])).is_err());
        assert!(refuse_method_override(&head(&["x_http_method_override"])).is_err());
        assert!(refuse_method_override(&head(&["x-http-methods"])).is_ok());
    }

    #[test]
    fn what_a_fhir_server_would_do_beside_is_refused_in_every_spelling() {
        for name in ["x-cascade", "X_Cascade", "x.rewrite-history", "x-upsert-extistence-check", "X-Provenance"] {
            assert_eq!(refuse_fhir_extension(&head(&["accept", name])), Err(Rule::HeaderRefused.into()), "{name}");
        }
        assert_eq!(refuse_fhir_extension(&head(&["cascade", "x-cascades", "x-request-id", "prefer"])), Ok(()));
    }

    #[test]
    fn a_method_in_a_parameter_is_refused_in_every_spelling() {
        for pairs in [
            "_method=DELETE",
            "a=1&_method=PUT",
            "_Method=x",
            "%5fmethod=x",
            "a=1;_method=x",
            "_method&_method",
            "+_method",
        ] {
            assert_eq!(refuse_method_parameter(pairs), Err(Rule::MethodOverride.into()), "{pairs}");
        }
        for pairs in ["", "method=x", "_methods=x", "x=_method", "__method=x"] {
            assert_eq!(refuse_method_parameter(pairs), Ok(()), "{pairs}");
        }
    }

    #[test]
    fn an_address_with_a_credential_in_it_loses_the_credential_alone() {
        let referer = |values: &[&[u8]]| Headers::from_pairs(values.iter().map(|value| ("referer", value)));
        for (value, left) in [
            ("https://a.example/x?b=%2f&key=k&c", "https://a.example/x?b=%2f&c"),
            ("https://a.example/x?%6bey=k", "https://a.example/x"),
        ] {
            let changed = strip_referer(&referer(&[value.as_bytes()]), &["key"]);
            assert_eq!(changed, Some(Change::Set("referer".into(), left.into())));
            assert_eq!(strip_referer(&referer(&[value.as_bytes()]), &[]), None);
        }
        for stays in [&[&b"https://a.example/key=x?keys=k"[..]][..], &[b"https://a.example/"], &[]] {
            assert_eq!(strip_referer(&referer(stays), &["key"]), None);
        }
        for unclear in [&[&b"/?key=k"[..], b"/"][..], &[b"/?key=k\xff"]] {
            assert_eq!(strip_referer(&referer(unclear), &["key"]), Some(Change::Remove(b"referer".to_vec())));
        }
    }

    #[test]
    fn a_claim_cannot_write_a_header_of_its_own() {
        assert!(is_field_value("Dr. House"));
        for value in ["a\r\nx-role: admin", "a\nb", "a\0", "é", " a"] {
            assert!(!is_field_value(value), "{value:?}");
        }
    }
}
