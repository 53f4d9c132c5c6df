//! What each provider of a route made of a request. Not part of the module for Envoy.
//!
//! The credentials are read and judged by the functions that [`Providers::authenticate`] uses, in its order; what it
//! decided stands beside, and a test holds the two against each other. No credential is repeated.

use std::rc::Rc;

use super::Explanation;
use crate::http::Headers;
use crate::identity::requirement::{Site, Sites};
use crate::identity::{Context, Halt, Kind, Place, Principal, Provider, Providers, Refusal, Requirement, credential};

/// A provider that a route lets vouch, and what it made of a request.
pub struct ProviderTried {
    /// Its name.
    pub name: Rc<str>,
    /// What it made of the request.
    pub made: Made,
    /// The same in words.
    pub says: String,
    /// All checks of the token, where it judged one.
    pub token: Option<Explanation>,
}

/// What a provider made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It vouches for the caller.
    Vouched,
    /// It refuses the caller.
    Refused(Refusal),
    /// It found nothing to judge.
    NothingFound,
    /// It was not asked.
    NotAsked,
}

impl Providers {
    /// What each provider that may vouch made of a request, in the order in which they are asked.
    pub fn explain_request(
        &self,
        requirement: &Requirement,
        headers: &Headers,
        context: &Context<'_>,
    ) -> Vec<ProviderTried> {
        match requirement {
            Requirement::None => Vec::new(),
            Requirement::Any(Sites(sites)) => self.explain_any(sites, headers, context),
            Requirement::All(Sites(sites)) => self.explain_all(sites, headers, context),
        }
    }

    fn explain_any(&self, sites: &[Site], headers: &Headers, context: &Context<'_>) -> Vec<ProviderTried> {
        let mut tried = Vec::new();
        let mut presented: Option<usize> = None;
        let mut refused = None;
        for (index, site) in sites.iter().enumerate() {
            let read = credential::read(headers, &site.place);
            let yields = read == Err(Refusal::Scheme) && sites.iter().any(|other| site.yields_to(other, headers));
            let refusal = match read {
                Ok(None) => continue,
                _ if yields => continue,
                Ok(Some(_)) => presented.replace(index).is_some().then_some(Refusal::Several),
                Err(refusal) => Some(refusal),
            };
            if let Some(refusal) = refusal {
                refused = Some((index, refusal));
                break;
            }
        }
        for (index, site) in sites.iter().enumerate() {
            match (refused, presented) {
                (Some((at, refusal)), _) if index == at => {
                    tried.extend(self.each(site, |_| {
                        (Made::Refused(refusal), format!("{}: {}", site.place.in_words(), in_words(refusal)))
                    }))
                }
                (Some((at, _)), _) if index > at => tried.extend(self.not_asked(site)),
                (Some(_), Some(first)) if index == first => tried.extend(self.each(site, |_| {
                    (Made::NotAsked, format!("there is a credential in {}, which is not judged", site.place.in_words()))
                })),
                (None, Some(found)) if index == found => match credential::read(headers, &site.place) {
                    Ok(Some(credential)) => tried.extend(self.explain_judged(site, &credential, context)),
                    _ => tried.extend(self.not_asked(site)),
                },
                // A certificate counts where there is no other credential.
                (None, None) if site.place == Place::Certificate => tried.extend(self.explain_certificate(site, context)),
                (_, Some(_)) if site.place == Place::Certificate => tried.extend(self.not_asked(site)),
                _ => tried.extend(self.nothing_found(site)),
            }
        }
        let vouched = tried.iter().position(|tried| tried.made == Made::Vouched);
        let after = vouched.map_or(tried.len(), |at| at.saturating_add(1));
        // The first of several that know a certificate counts.
        for later in tried.iter_mut().skip(after).filter(|later| later.made != Made::NothingFound) {
            (later.made, later.says) = (Made::NotAsked, "another provider has vouched".to_owned());
        }
        tried
    }

    fn explain_all(&self, sites: &[Site], headers: &Headers, context: &Context<'_>) -> Vec<ProviderTried> {
        let mut tried: Vec<ProviderTried> = Vec::new();
        for site in sites {
            if tried.iter().any(|before| matches!(before.made, Made::Refused(_))) {
                tried.extend(self.not_asked(site));
                continue;
            }
            let place = site.place.in_words();
            let refused = |refusal| (Made::Refused(refusal), format!("{place}: {}", in_words(refusal)));
            if site.place == Place::Certificate {
                let judged = self.by_certificate(std::slice::from_ref(site), context).map_err(refusal_of);
                tried.extend(self.each(site, |_| match &judged {
                    Ok(_) => (Made::Vouched, "it knows the client certificate".to_owned()),
                    Err(refusal) => refused(*refusal),
                }));
                continue;
            }
            match credential::read(headers, &site.place) {
                Ok(Some(credential)) => tried.extend(self.explain_judged(site, &credential, context)),
                Ok(None) => tried.extend(self.each(site, |_| {
                    (Made::Refused(Refusal::Missing), format!("no credential in {place}, and all providers have to vouch"))
                })),
                Err(refusal) => tried.extend(self.each(site, |_| refused(refusal))),
            }
        }
        tried
    }

    /// The providers of a place that holds a credential: one of them judges it.
    fn explain_judged(&self, site: &Site, credential: &str, context: &Context<'_>) -> Vec<ProviderTried> {
        let judged = self.judge(site, credential, context).map_err(refusal_of);
        let explanation = self.explain_token(site, credential, context);
        let made = match judged {
            Ok(_) => Made::Vouched,
            Err(refusal) => Made::Refused(refusal),
        };
        let says = |provider: &Provider| match (&provider.kind, &judged) {
            (Kind::ApiKey(keys), Ok(_)) => format!("the key in {} is {}", site.place.in_words(), keys.describe(credential)),
            (Kind::ApiKey(keys), Err(refusal)) if *refusal != Refusal::UnknownApiKey => {
                format!("the key is {}: {}", keys.describe(credential), in_words(*refusal))
            }
            // Its checks say why.
            (Kind::Jwt(_), Err(_)) if explanation.is_some() => {
                format!("the token in {} is refused", site.place.in_words())
            }
            (_, Ok(_)) => format!("it accepts the token in {}", site.place.in_words()),
            (_, Err(refusal)) => format!("{}: {}", site.place.in_words(), in_words(*refusal)),
        };
        // Who judged: the vouching provider, the issuer's, or all of the place where nobody can be told.
        let chosen = judged.as_ref().ok().and_then(|principal| principal.providers.first().cloned());
        let of_token = explanation.as_ref().and_then(|explained| explained.provider.clone());
        let asked = self.asks_about(site, credential).is_some();
        let chosen = chosen.or(of_token.filter(|_| !asked));
        let is_it = |provider: &Provider| match &chosen {
            Some(name) => provider.name == *name,
            None if asked => matches!(provider.kind, Kind::Introspection(_)),
            None => true,
        };
        let mut tried = self.each(site, |provider| match is_it(provider) {
            true => (made, says(provider)),
            false => (Made::NotAsked, "the credential is for another provider of the same place".to_owned()),
        });
        let judging = tried.iter_mut().find(|tried| tried.made == made);
        if let Some(judging) = judging.filter(|_| !asked) {
            judging.token = explanation;
        }
        tried
    }

    /// All checks of a token, where the place is one of issuers.
    fn explain_token(&self, site: &Site, text: &str, context: &Context<'_>) -> Option<Explanation> {
        let providers = site.providers.iter().filter_map(|index| self.list.get(*index));
        let tokens = providers.filter_map(|provider| match &provider.kind {
            Kind::Jwt(jwt) => Some((&provider.name, &**jwt)),
            Kind::ApiKey(_) | Kind::Introspection(_) | Kind::Mtls(_) => None,
        });
        let candidates: Vec<_> = tokens.collect();
        if candidates.is_empty() { None } else { Self::explain_by(&candidates, text, context).ok() }
    }

    fn explain_certificate(&self, site: &Site, context: &Context<'_>) -> Vec<ProviderTried> {
        self.each(site, |provider| match &provider.kind {
            Kind::Mtls(mtls) if mtls.identify(context).is_some() => {
                (Made::Vouched, "it knows the client certificate".to_owned())
            }
            Kind::Mtls(_) if context.certificate.is_presented() => {
                (Made::NothingFound, "the client certificate is none that it lists".to_owned())
            }
            _ => (Made::NothingFound, "the connection has no client certificate".to_owned()),
        })
    }

    fn nothing_found(&self, site: &Site) -> Vec<ProviderTried> {
        self.each(site, |_| (Made::NothingFound, format!("no credential in {}", site.place.in_words())))
    }

    fn not_asked(&self, site: &Site) -> Vec<ProviderTried> {
        self.each(site, |_| (Made::NotAsked, "it was not asked".to_owned()))
    }

    fn each(&self, site: &Site, mut make: impl FnMut(&Provider) -> (Made, String)) -> Vec<ProviderTried> {
        let providers = site.providers.iter().filter_map(|index| self.list.get(*index));
        let tried = providers.map(|provider| {
            let (made, says) = make(provider);
            ProviderTried { name: Rc::clone(&provider.name), made, says, token: None }
        });
        tried.collect()
    }
}

impl Place {
    fn in_words(&self) -> String {
        match self {
            Self::Header { name, scheme: None } => format!("header `{name}`"),
            Self::Header { name, scheme: Some(scheme) } => format!("header `{name}` ({scheme})"),
            Self::Query(name) => format!("query parameter `{name}`"),
            Self::Cookie(name) => format!("cookie `{name}`"),
            Self::Certificate => "the client certificate".to_owned(),
        }
    }
}

fn refusal_of(halt: Halt) -> Refusal {
    match halt {
        Halt::Refused(refusal) => refusal,
        // Nobody is asked from a desk.
        Halt::Awaits(_) => Refusal::Unavailable,
    }
}

/// A refusal, for whoever has the request in hand.
fn in_words(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Missing => "there is no credential",
        Refusal::Scheme => "another scheme stands before the credential",
        Refusal::Repeated => "it stands there more than once",
        Refusal::Several => "a second credential, and which of the two counts would be a guess",
        Refusal::Malformed => {
            "what stands there cannot be a credential, or its name is written in a way some read otherwise"
        }
        Refusal::TooLong => "it is longer than any credential that is accepted",
        Refusal::UnknownApiKey => "the policy does not know this key (`carewarden keygen --hash` gives a key's SHA-256)",
        Refusal::ApiKeyNotYetValid => "`not_before` is still to come",
        Refusal::ApiKeyExpired => "`not_after` has passed",
        Refusal::ApiKeyRoute => "its `routes` do not name this route",
        Refusal::UnknownCertificate => "no provider lists this client certificate",
        Refusal::Unavailable => {
            "its issuer would have to be asked, for keys or about the token, which nobody does from a desk"
        }
        Refusal::MalformedToken => "it is no JWT",
        Refusal::UnknownIssuer => "no provider that the route asks takes tokens of this issuer from this place",
        Refusal::Inactive => "its issuer does not know it, or not any more",
        Refusal::HeaderParameter
        | Refusal::Algorithm
        | Refusal::TokenType
        | Refusal::UnknownKey
        | Refusal::AmbiguousKey
        | Refusal::BadSignature
        | Refusal::MissingClaim
        | Refusal::MalformedClaim
        | Refusal::ClaimNotAccepted
        | Refusal::Audience
        | Refusal::Expired
        | Refusal::NotYetValid
        | Refusal::Lifetime
        | Refusal::CertificateBinding
        | Refusal::UnsupportedBinding => "a check failed",
    }
}

/// The caller in words: nothing of a token but names.
#[must_use]
pub fn describe(caller: &Principal) -> String {
    if caller.is_anonymous() {
        return "nobody is identified".to_owned();
    }
    let list = |items: &[Rc<str>]| items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    for (what, value) in [("client", &caller.client), ("key", &caller.key_id), ("subject", &caller.subject)] {
        parts.extend(value.as_ref().map(|value| format!("{what} `{value}`")));
    }
    parts.push(match caller.roles.is_empty() {
        true => "no role".to_owned(),
        false => format!("roles {}", list(&caller.roles)),
    });
    format!("{}, by {}", parts.join(", "), list(&caller.providers))
}
