//! The steps of the claims.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::identity::explain::Step;
use crate::identity::jwt::ClaimRules;
use crate::identity::jwt::claims::{Claim, Moment, audience, certificate, header_value, role_names};
use crate::identity::principal::claim;
use crate::identity::{Context, Refusal};

type Claims = Map<String, Value>;

impl ClaimRules {
    pub(super) fn explain(&self, claims: &Claims, context: &Context<'_>, steps: &mut Vec<Step>) {
        steps.push(self.explain_audience(claims));
        steps.extend(self.required.iter().map(|required| {
            let (pointer, wanted) = (required.pointer(), required.wanted());
            match (required.judge(claims), claim(claims, pointer)) {
                (Ok(()), found) => Step::passed(pointer, format!("{} is {wanted}", found.map_or_else(String::new, said))),
                (Err(refusal), None) => Step::failed(pointer, refusal, format!("missing; the policy wants it {wanted}")),
                (Err(refusal), Some(found)) => {
                    Step::failed(pointer, refusal, format!("{} is not {wanted}, as the policy wants it", said(found)))
                }
            }
        }));
        self.explain_window(claims, context.now, steps);
        steps.push(explain_binding(claims, context));
        self.explain_mapping(claims, steps);
    }

    fn explain_audience(&self, claims: &Claims) -> Step {
        let wanted = self.audiences.iter().map(|own| format!("`{own}`")).collect::<Vec<_>>().join(" or ");
        let found = claims.get("aud");
        match (audience(self, claims), found) {
            (Ok(()), None) => Step::not_judged("aud", "aud is not there and may be missing"),
            (Ok(()), Some(found)) => Step::passed("aud", format!("aud is {}", said(found))),
            (Err(refusal), None) => Step::failed("aud", refusal, format!("aud is missing; the policy wants {wanted}")),
            (Err(refusal @ Refusal::MalformedClaim), Some(found)) => {
                Step::failed("aud", refusal, format!("aud is {}, which is no string and no list of strings", said(found)))
            }
            (Err(refusal), Some(found)) => {
                Step::failed("aud", refusal, format!("aud is {}; the policy wants {wanted}", said(found)))
            }
        }
    }

    /// The same arithmetic as the engine's window, edge by edge.
    fn explain_window(&self, claims: &Claims, now: i64, steps: &mut Vec<Step>) {
        let date = |name: &str| Claim::read(claims.get(name), Moment::read);
        let wrong = |name: &str, refusal| match claims.get(name) {
            Some(found) => Step::failed(name, refusal, format!("{name} is {}, which is no time", said(found))),
            None => Step::failed(name, refusal, format!("{name} is missing")),
        };
        let allowance = if self.skew == 0 { String::new() } else { format!(", {} of clock skew allowed", span(self.skew)) };
        let expires = date("exp").unless(self.exp_may_be_missing);
        steps.push(match expires {
            Err(refusal) => wrong("exp", refusal),
            Ok(None) => Step::not_judged("exp", "exp is not there and may be missing"),
            Ok(Some(at)) if now >= at.floor.saturating_add(self.skew) => {
                let ago = now.saturating_sub(at.floor);
                let says = format!("expired {} ago, at {}{allowance}", span(ago), moment(at.floor));
                Step::failed("exp", Refusal::Expired, says)
            }
            Ok(Some(at)) if now >= at.floor => {
                let ago = now.saturating_sub(at.floor);
                Step::passed("exp", format!("expired {} ago, at {}{allowance}", span(ago), moment(at.floor)))
            }
            Ok(Some(at)) => {
                let left = at.floor.saturating_sub(now);
                Step::passed("exp", format!("expires in {}, at {}", span(left), moment(at.floor)))
            }
        });
        steps.push(match date("nbf").optional() {
            Err(refusal) => wrong("nbf", refusal),
            Ok(None) => Step::not_judged("nbf", "nbf is not there"),
            Ok(Some(at)) => starts("nbf", "not valid until", at, now, self.skew, &allowance)
                .unwrap_or_else(|| Step::passed("nbf", format!("valid since {}", moment(at.ceil)))),
        });
        let limited = self.max_age.is_some() || self.max_lifetime.is_some();
        let issued = date("iat").unless(!limited);
        steps.push(match issued {
            Err(refusal) => wrong("iat", refusal),
            Ok(None) => Step::not_judged("iat", "iat is not there"),
            Ok(Some(at)) => {
                starts("iat", "from the future: issued at", at, now, self.skew, &allowance).unwrap_or_else(|| {
                    let age = now.saturating_sub(at.floor);
                    Step::passed("iat", format!("issued {} ago, at {}", span(age), moment(at.floor)))
                })
            }
        });
        if let (Some(max), Ok(Some(issued))) = (self.max_age, issued) {
            let age = now.saturating_sub(issued.floor);
            let says = format!("issued {} ago; the policy accepts {}{allowance}", span(age), span(max));
            let old = now >= issued.floor.saturating_add(max).saturating_add(self.skew);
            steps.push(if old { Step::failed("max_age", Refusal::Expired, says) } else { Step::passed("max_age", says) });
        }
        if let (Some(max), Ok(Some(issued))) = (self.max_lifetime, issued) {
            steps.push(match expires {
                Ok(Some(expires)) => {
                    let lifetime = expires.ceil.saturating_sub(issued.floor);
                    let says = format!("made to live {}; the policy accepts {}", span(lifetime), span(max));
                    match lifetime > max {
                        true => Step::failed("max_lifetime", Refusal::Lifetime, says),
                        false => Step::passed("max_lifetime", says),
                    }
                }
                _ => Step::failed("max_lifetime", Refusal::MissingClaim, "without exp there is no lifetime to judge"),
            });
        }
    }

    fn explain_mapping(&self, claims: &Claims, steps: &mut Vec<Step>) {
        let client = self.client.as_deref().map_or(vec!["/client_id", "/azp"], |pointer| vec![pointer]);
        let places = [("sub", vec!["/sub"]), ("client", client), ("patient", self.patient.iter().map(|p| &**p).collect())];
        for (what, pointers) in places {
            // The engine takes the first that is there, and does not look at one after it.
            let Some((pointer, found)) = pointers.iter().find_map(|at| Some((at, claim(claims, at)?))) else {
                continue;
            };
            steps.push(match found.as_str().filter(|text| !text.is_empty()) {
                Some(text) => Step::passed(what, format!("{what} is `{text}` ({pointer})")),
                None => {
                    let says = format!("{pointer} is {}, which is no text", said(found));
                    Step::failed(what, Refusal::MalformedClaim, says)
                }
            });
        }
        steps.extend(self.explain_roles(claims));
        for (name, pointer) in &self.headers {
            let found = claim(claims, pointer);
            steps.push(match (header_value(found), found) {
                (Ok(Some(value)), _) => Step::passed(&**name, format!("sent on as `{value}` ({pointer})")),
                (Ok(None), _) => Step::not_judged(&**name, format!("{pointer} holds nothing to send on")),
                (Err(refusal), found) => {
                    let found = found.map(said).unwrap_or_default();
                    Step::failed(&**name, refusal, format!("{pointer} is {found}, which cannot stand in a header"))
                }
            });
        }
    }

    fn explain_roles(&self, claims: &Claims) -> Option<Step> {
        let pointer = self.roles.as_deref()?;
        let Some(found) = claim(claims, pointer) else {
            return Some(Step::not_judged("roles", format!("{pointer} is not there, so there are no roles")));
        };
        let Some(named) = role_names(found) else {
            let says = format!("{pointer} is {}, which is no string and no list of strings", said(found));
            return Some(Step::failed("roles", Refusal::MalformedClaim, says));
        };
        let list = |roles: &[&str]| roles.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(", ");
        let (known, unknown): (Vec<_>, Vec<_>) = named.into_iter().partition(|role| !self.own_roles(role).is_empty());
        let own: Vec<_> = known.into_iter().flat_map(|role| self.own_roles(role)).collect();
        let (conferred, ignored): (Vec<_>, Vec<_>) = own.iter().map(|role| &**role).partition(|role| self.confers(role));
        let mut says = match conferred.as_slice() {
            [] => format!("no role from {pointer}"),
            conferred => format!("{} from {pointer}", list(conferred)),
        };
        if !ignored.is_empty() {
            says.push_str(&format!("; ignored, since the provider may not confer it: {}", list(&ignored)));
        }
        if !unknown.is_empty() {
            says.push_str(&format!("; ignored, since `role_map` does not have it: {}", list(&unknown)));
        }
        Some(Step::passed("roles", says))
    }
}

/// A step for a time before which the token is not valid, if that is now.
fn starts(name: &str, how: &str, at: Moment, now: i64, skew: i64, allowance: &str) -> Option<Step> {
    let early = now < at.ceil.saturating_sub(skew);
    let left = at.ceil.saturating_sub(now);
    let says = || format!("{how} {}, which is in {}{allowance}", moment(at.ceil), span(left));
    early.then(|| Step::failed(name, Refusal::NotYetValid, says()))
}

fn explain_binding(claims: &Claims, context: &Context<'_>) -> Step {
    let bound = match certificate(claims.get("cnf")) {
        Ok(None) => return Step::not_judged("cnf", "the token is not bound to a certificate"),
        Ok(Some(bound)) => bound,
        Err(refusal @ Refusal::UnsupportedBinding) => {
            return Step::failed("cnf", refusal, "bound to its holder by something else than `x5t#S256` alone");
        }
        Err(refusal) => return Step::failed("cnf", refusal, "`x5t#S256` is not the SHA-256 of a certificate"),
    };
    let hex: String = bound.iter().map(|byte| format!("{byte:02x}")).collect();
    match (context.certificate_sha256)() {
        None => {
            let says = format!("needs a client certificate: the one with SHA-256 {hex}");
            Step::failed("cnf", Refusal::CertificateBinding, says)
        }
        Some(presented) if presented == bound => Step::passed("cnf", "bound to the client certificate"),
        Some(_) => {
            let says = format!("bound to another client certificate: the one with SHA-256 {hex}");
            Step::failed("cnf", Refusal::CertificateBinding, says)
        }
    }
}

/// A claim as someone would say it.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Array(items) if !items.is_empty() => items.iter().map(said).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Seconds, in the two largest units that they fill.
fn span(seconds: i64) -> String {
    let mut rest = seconds.unsigned_abs();
    let mut parts = Vec::new();
    for (unit, size) in [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)] {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            parts.push(format!("{count} {unit}"));
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

fn moment(seconds: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|moment| moment.format(&Rfc3339).ok());
    date.unwrap_or_else(|| seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_two_units() {
        for (seconds, expected) in [
            (0, "0 s"),
            (12, "12 s"),
            (192, "3 min 12 s"),
            (3_600, "1 h"),
            (90_061, "1 d 1 h"),
            (i64::MIN, "106751991167300 d 15 h"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn a_moment_out_of_every_calendar_is_a_number() {
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment(i64::MAX), i64::MAX.to_string());
    }
}
