//! What a route asks of its callers: nobody, one of some providers, or all of them.

use std::rc::Rc;

use super::place::Place;
use super::{Kind, Provider, Providers, Refusal, credential};
use crate::http::Headers;
use crate::policy::Loaded;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model::Authenticate;

/// What a route asks of its callers.
#[derive(Clone, Debug)]
pub enum Requirement {
    /// Nothing. Credentials are not looked at.
    None,
    /// Exactly one credential, of one of the providers that stand here.
    Any(Sites),
    /// A credential of every one of them.
    All(Sites),
}

/// The places where credentials are looked for.
#[derive(Clone, Debug)]
pub struct Sites(pub(super) Vec<Site>);

/// One place, and the providers that take credentials from it: one of API keys, one of certificates, or any number of
/// issuers.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) place: Place,
    /// What tells the place from others in a cache.
    pub(super) label: Rc<str>,
    /// Positions in the list of providers, in the order of the requirement.
    pub(super) providers: Vec<usize>,
}

impl Providers {
    /// Compiles a route's `authenticate`, which stands at `at`.
    ///
    /// After an error what is returned accepts less than was written, never more.
    pub fn requirement(&self, authenticate: &Authenticate, at: &Node, loaded: &Loaded, report: &mut Report) -> Requirement {
        match authenticate {
            Authenticate::None => Requirement::None,
            Authenticate::Any(names) => Requirement::Any(self.sites(&self.resolve(names, at.key("any"), loaded, report))),
            Authenticate::All(names) => {
                let at = at.key("all");
                let indices = self.resolve(names, at, loaded, report);
                self.check_all(&indices, at, report);
                Requirement::All(self.sites(&indices))
            }
        }
    }

    fn resolve(&self, names: &[String], at: &Node, loaded: &Loaded, report: &mut Report) -> Vec<usize> {
        if names.is_empty() {
            report
                .error(at, Code::InvalidValue, "no provider, so every request would be refused")
                .help("name some of `authentication`, or write \"none\"");
        }
        let mut indices = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let at = at.item(index);
            match self.list.iter().position(|provider| *provider.name == **name) {
                Some(found) if indices.contains(&found) => {
                    report.error(at, Code::DuplicateName, format!("`{name}` stands twice")).help("name it once");
                }
                Some(found) => indices.push(found),
                None if loaded.defines("authentication", name) => (),
                None => report
                    .error(at, Code::MissingReference, format!("no provider is named `{name}`"))
                    .nearest(name, self.list.iter().map(|provider| &*provider.name)),
            }
        }
        indices
    }

    /// Under `all` each place holds one credential, and the claims that rules look at come from one token.
    fn check_all(&self, indices: &[usize], at: &Node, report: &mut Report) {
        let tokens = |index: &usize| {
            matches!(self.list.get(*index), Some(Provider { kind: Kind::Jwt(_) | Kind::Introspection(_), .. }))
        };
        if indices.iter().filter(|index| tokens(index)).count() > 1 {
            report
                .error(at, Code::NotSupported, "several token providers under `all`, whose claims would mix")
                .help("name one of them, or write \"any\"");
        }
        // Two providers of one header differ in the scheme, and a header has one.
        let header = |index: &usize| self.list.get(*index).and_then(|provider| provider.place.header());
        let repeated = |(at, index): (usize, &usize)| {
            header(index).is_some_and(|own| indices.iter().take(at).any(|other| header(other) == Some(own)))
        };
        if indices.iter().filter(|index| tokens(index)).count() < 2 && indices.iter().enumerate().any(repeated) {
            report
                .error(at, Code::InvalidValue, "several providers of one header under `all`, which holds one credential")
                .help("name one of them, give one another place, or write \"any\"");
        }
    }

    fn sites(&self, indices: &[usize]) -> Sites {
        let mut sites: Vec<Site> = Vec::new();
        for (index, provider) in indices.iter().filter_map(|index| Some((*index, self.list.get(*index)?))) {
            let shared = |site: &&mut Site| site.place == provider.place && site.place != Place::Certificate;
            match sites.iter_mut().find(shared) {
                Some(site) => site.providers.push(index),
                None => {
                    let place = provider.place.clone();
                    sites.push(Site { label: place.label(), place, providers: vec![index] });
                }
            }
        }
        Sites(sites)
    }
}

impl Site {
    /// Whether the header that both look at has the scheme of the other one.
    pub(super) fn yields_to(&self, other: &Self, headers: &Headers) -> bool {
        self.place != other.place
            && self.place.header().is_some_and(|header| other.place.header() == Some(header))
            && credential::read(headers, &other.place) != Err(Refusal::Scheme)
    }
}
