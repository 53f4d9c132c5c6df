//! Who asks: from a request's headers to a [`Principal`], or a [`Refusal`].
//!
//! A policy names providers, each with its own place, keys and rules; a route names those that may vouch for its
//! callers. Rules, in order:
//!
//! 1. A credential is looked for in the places of the route's providers (a header, a query parameter, a cookie), and
//!    nowhere else. A place that holds two, or what could be two, is refused (`credential`).
//! 2. Where one provider is to vouch (`any`), credentials in two places are refused: which of them counts would be a
//!    guess, and whoever wants both writes `all`. Under `all` each provider's credential must be there.
//! 3. A client certificate counts under `any` only where there is no other credential: connections have one without
//!    anybody meaning it. Of several providers of certificates the first counts that knows it.
//! 4. The provider is chosen by the place and, for tokens, by the issuer that the token claims, before anything is
//!    judged. That provider alone judges. A credential that fails is a refusal: no other provider is asked, and nobody
//!    becomes anonymous by showing a bad credential.
//!    Where opaque tokens may stand beside those of issuers, what has a token's three parts is a token.
//! 5. The provider judges (`jwt`, `api_key`, `introspection`, `mtls`). It may have to ask another server first; the request
//!    waits.
//!
//! Credentials for providers that the route does not name are not looked at. None of any provider goes upstream, but
//! those of a provider that vouched and says `forward` (`withheld`).
//!
//! Everything here costs at most one pass over a credential of 16 KiB and one signature check
//! (two where a shared secret is being rotated), whoever asks.

mod api_key;
mod cache;
mod call;
mod compile;
mod credential;
mod endpoint;
#[cfg(not(target_family = "wasm"))]
mod explain;
mod introspection;
mod jwt;
mod mtls;
mod place;
mod principal;
mod refusal;
mod requirement;
mod scalar;
mod stand_in;
mod upkeep;
mod withheld;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use api_key::ApiKeys;
use cache::{Entry, Known, Origin, Refused};
use introspection::Introspection;
use jwt::{Jwt, Token};
use mtls::Mtls;
use place::Place;
use requirement::{Site, Sites};

pub use cache::{CacheCounts, TokenCache};
pub use call::{Answer, Call, CallId, Failure, Note, NothingShared, SharedData, Subject, Upkeep};
pub(crate) use compile::time_within;
pub use compile::{check_key_routes, compile};
pub(crate) use endpoint::Endpoint;
#[cfg(not(target_family = "wasm"))]
pub use explain::{Explanation, Finding, KeyUsed, Made, NotExplained, ProviderTried, SignatureFound, Step, describe};
pub(crate) use jwt::json::object as json_object;
pub use jwt::{Hash, NoHost, SignatureVerifier, Verification};
#[cfg(not(target_family = "wasm"))]
pub use jwt::{KeyFile, KeyFileError};
pub use mtls::{NoCertificate, PeerCertificate};
pub use principal::Principal;
pub use refusal::{Halt, Refusal};
pub use requirement::Requirement;
pub(crate) use scalar::{OtherType, Scalar};
pub use stand_in::{StandIn, StandInError};

use crate::http::Headers;

/// The providers of a policy.
#[derive(Debug)]
pub struct Providers {
    list: Vec<Provider>,
    /// The headers of all of them, each once.
    headers: Vec<Rc<str>>,
    anonymous: Rc<Principal>,
    /// Tells a cache whose tokens it holds.
    stamp: Rc<()>,
}

#[derive(Debug)]
struct Provider {
    name: Rc<str>,
    place: Place,
    forward: bool,
    kind: Kind,
    /// How often its keys have changed: tokens judged by others do not count.
    epoch: Cell<u64>,
}

#[derive(Debug)]
enum Kind {
    Jwt(Box<Jwt>),
    ApiKey(ApiKeys),
    Introspection(Box<Introspection>),
    Mtls(Mtls),
}

impl Provider {
    /// Makes its tokens unknown.
    fn forget_tokens(&self) {
        self.epoch.set(self.epoch.get().wrapping_add(1));
    }
}

/// What a decision depends on beside the request.
pub struct Context<'a> {
    /// Seconds since 1970, UTC.
    pub now: i64,
    /// The same moment to the nanosecond, since 1970.
    pub moment: Duration,
    /// Checks signatures outside of the module, where it can.
    pub verifier: &'a dyn SignatureVerifier,
    /// Tokens verified before.
    pub cache: &'a TokenCache,
    /// SHA-256 of the client certificate, if one was presented and verified. Asked only for a token that is bound to one.
    pub certificate_sha256: &'a dyn Fn() -> Option<[u8; 32]>,
    /// The rest of what Envoy tells of that certificate.
    pub certificate: &'a dyn PeerCertificate,
    /// The name of the route that was asked for.
    pub route: &'a str,
}

impl Providers {
    /// Who asks, as `requirement` wants to know it.
    pub fn authenticate(
        &self,
        requirement: &Requirement,
        headers: &Headers,
        context: &Context<'_>,
    ) -> Result<Rc<Principal>, Halt> {
        match requirement {
            Requirement::None => Ok(Rc::clone(&self.anonymous)),
            Requirement::Any(sites) => self.any(sites, headers, context),
            Requirement::All(sites) => self.all(sites, headers, context),
        }
    }

    /// The headers that tell the upstream of this caller's claims, and what they say.
    pub fn claim_headers<'p>(&'p self, principal: &Principal) -> Vec<(&'p str, String)> {
        let vouched = self.list.iter().filter(|provider| principal.providers.contains(&provider.name));
        let rules = vouched.filter_map(|provider| match &provider.kind {
            Kind::Jwt(jwt) => Some(&jwt.claims.headers),
            Kind::Introspection(introspection) => Some(&introspection.claims.headers),
            _ => None,
        });
        // A claim that cannot be a header has refused its token.
        let told = |(name, pointer): &'p (Rc<str>, String)| {
            Some((&**name, jwt::header_value(principal.claim(pointer)).ok().flatten()?))
        };
        rules.flatten().filter_map(told).collect()
    }

    /// The headers in which credentials stand, in lower case.
    pub fn credential_headers(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|header| &**header)
    }

    /// The names of all providers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|provider| &*provider.name)
    }

    /// The API keys used since this was asked last: provider, key, and when, in seconds since 1970. A key in constant use
    /// is told every few seconds.
    #[must_use]
    pub fn take_key_uses(&self) -> Vec<(Rc<str>, Rc<str>, i64)> {
        let of_provider = |provider: &Provider| match &provider.kind {
            Kind::ApiKey(keys) => keys.take_uses(&provider.name),
            Kind::Jwt(_) | Kind::Introspection(_) | Kind::Mtls(_) => Vec::new(),
        };
        self.list.iter().flat_map(of_provider).collect()
    }

    fn any(&self, Sites(sites): &Sites, headers: &Headers, context: &Context<'_>) -> Result<Rc<Principal>, Halt> {
        let mut presented = None;
        for site in sites {
            let read = credential::read(headers, &site.place);
            if read == Err(Refusal::Scheme) && sites.iter().any(|other| site.yields_to(other, headers)) {
                continue;
            }
            if let Some(credential) = read?
                && presented.replace((site, credential)).is_some()
            {
                return Err(Refusal::Several.into());
            }
        }
        match presented {
            Some((site, credential)) => self.judge(site, &credential, context),
            None => self.by_certificate(sites, context),
        }
    }

    fn all(&self, Sites(sites): &Sites, headers: &Headers, context: &Context<'_>) -> Result<Rc<Principal>, Halt> {
        let mut joined: Option<Rc<Principal>> = None;
        for site in sites {
            let principal = if site.place == Place::Certificate {
                self.by_certificate(std::slice::from_ref(site), context)?
            } else {
                let credential = credential::read(headers, &site.place)?.ok_or(Refusal::Missing)?;
                self.judge(site, &credential, context)?
            };
            match &mut joined {
                Some(joined) => Rc::make_mut(joined).join(&principal),
                None => joined = Some(principal),
            }
        }
        joined.ok_or(Refusal::Missing.into())
    }

    /// Has the client certificate judged by the providers of certificates that stand here, in order.
    fn by_certificate(&self, sites: &[Site], context: &Context<'_>) -> Result<Rc<Principal>, Halt> {
        let providers = sites.iter().flat_map(|site| &site.providers).filter_map(|index| self.list.get(*index));
        let mut certificates = providers.filter_map(|provider| match &provider.kind {
            Kind::Mtls(mtls) => Some(mtls),
            Kind::Jwt(_) | Kind::ApiKey(_) | Kind::Introspection(_) => None,
        });
        let mut asked = false;
        let found = certificates.find_map(|mtls| {
            asked = true;
            mtls.identify(context)
        });
        match found {
            Some(principal) => Ok(principal),
            None if asked && context.certificate.is_presented() => Err(Refusal::UnknownCertificate.into()),
            None => Err(Refusal::Missing.into()),
        }
    }

    /// Has the one provider judge that this credential is for.
    fn judge(&self, site: &Site, credential: &str, context: &Context<'_>) -> Result<Rc<Principal>, Halt> {
        let first = site.providers.first().and_then(|index| self.list.get(*index));
        if let Some(Provider { kind: Kind::ApiKey(keys), .. }) = first {
            return Ok(keys.verify(credential, context)?);
        }
        let key = TokenCache::key(&site.label, credential);
        // What has the shape of a token is one, where there are issuers of tokens.
        if let Some(introspection) = self.asks_about(site, credential) {
            return introspection.judge(&key, credential, context);
        }
        match context.cache.find(&self.stamp, &key, context.now, |origin| self.is_current(origin)) {
            Some(Known::Accepted(entry)) if site.providers.contains(&entry.origin.provider) => {
                let judged = entry.verified.judge(context);
                if judged == Err(Refusal::Expired) {
                    context.cache.forget(&key);
                }
                return Ok(judged?);
            }
            Some(Known::Refused(Refused { refusal, origin, .. }))
                if origin.is_none_or(|origin| site.providers.contains(&origin.provider)) =>
            {
                return Err(refusal.into());
            }
            _ => (),
        }
        match self.verify(site, credential, context) {
            Ok(entry) => {
                let principal = entry.verified.judge(context)?;
                context.cache.keep(key, Rc::new(entry));
                Ok(principal)
            }
            Err(Rejection::Here(halt)) => Err(halt),
            Err(Rejection::Everywhere(refusal, origin)) => {
                context.cache.remember(key, refusal, origin, context.now);
                Err(refusal.into())
            }
        }
    }

    /// The provider that is asked about a text of this shape, if one is.
    fn asks_about(&self, site: &Site, credential: &str) -> Option<&Introspection> {
        let kinds = || site.providers.iter().filter_map(|index| Some(&self.list.get(*index)?.kind));
        let asked = kinds().find_map(|kind| if let Kind::Introspection(asked) = kind { Some(&**asked) } else { None })?;
        let takes_tokens = kinds().any(|kind| matches!(kind, Kind::Jwt(_)));
        (!takes_tokens || !Token::has_shape(credential)).then_some(asked)
    }

    /// Verifies all of a token but what depends on the moment.
    fn verify(&self, site: &Site, token: &str, context: &Context<'_>) -> Result<Entry, Rejection> {
        let everywhere = |refusal| Rejection::Everywhere(refusal, None);
        let token = Token::parse(token).map_err(everywhere)?;
        let issuer = token.issuer().map_err(everywhere)?;
        let takes = |provider: &Provider| match &provider.kind {
            Kind::Jwt(jwt) => provider.place == site.place && jwt.issuer == issuer,
            _ => false,
        };
        // No two providers take tokens of one issuer from one place.
        let index = self.list.iter().position(takes).ok_or(Rejection::Everywhere(Refusal::UnknownIssuer, None))?;
        match self.list.get(index) {
            Some(Provider { kind: Kind::Jwt(jwt), epoch, .. }) if site.providers.contains(&index) => {
                let origin = Origin { provider: index, epoch: epoch.get() };
                let verified = jwt.verify(token, context.moment, context.verifier);
                verified.map(|verified| Entry::new(origin, verified)).map_err(|halt| match halt {
                    Halt::Refused(refusal) => Rejection::Everywhere(refusal, Some(origin)),
                    Halt::Awaits(_) => Rejection::Here(halt),
                })
            }
            _ => Err(Rejection::Here(Refusal::UnknownIssuer.into())),
        }
    }

    /// Makes every token of this provider unknown, those that were accepted and those that were refused. To be called
    /// whenever its keys change: a token is worth as much as the key that signed it.
    pub fn forget_tokens(&self, provider: &str) {
        self.list.iter().filter(|own| *own.name == *provider).for_each(Provider::forget_tokens);
    }

    fn is_current(&self, origin: Origin) -> bool {
        self.list.get(origin.provider).is_some_and(|provider| provider.epoch.get() == origin.epoch)
    }
}

/// A refusal that depends on nothing of the moment but the route.
enum Rejection {
    /// On routes that let other providers vouch, or a moment later, it may be another.
    Here(Halt),
    /// On every route, or on those that let this provider vouch.
    Everywhere(Refusal, Option<Origin>),
}
