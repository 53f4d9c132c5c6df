//! What a route asks of its callers: nobody, one of some providers, or all of them.

use std::rc::Rc;

use super::{Kind, Provider, Providers};
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

/// One header, and the providers that take credentials from it: one of API keys, or any number of issuers.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) header: Rc<str>,
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

    /// Under `all` each header holds one credential, and the claims that rules look at come from one token.
    fn check_all(&self, indices: &[usize], at: &Node, report: &mut Report) {
        let tokens = |index: &usize| {
            matches!(self.list.get(*index), Some(Provider { kind: Kind::Jwt(_) | Kind::Introspection(_), .. }))
        };
        if indices.iter().filter(|index| tokens(index)).count() > 1 {
            report
                .error(at, Code::NotSupported, "several token providers under `all`, whose claims would mix")
                .help("name one of them, or write \"any\"");
        }
    }

    fn sites(&self, indices: &[usize]) -> Sites {
        let mut sites: Vec<Site> = Vec::new();
        for (index, provider) in indices.iter().filter_map(|index| Some((*index, self.list.get(*index)?))) {
            match sites.iter_mut().find(|site| site.header == provider.header) {
                Some(site) => site.providers.push(index),
                None => sites.push(Site { header: Rc::clone(&provider.header), providers: vec![index] }),
            }
        }
        Sites(sites)
    }
}
