//! Which route a request takes: of those whose `match` holds, the first in the policy.
//!
//! Templates are kept in a trie over path segments, one for each host and one for each parent of a `*` host, so that
//! the cost of a request grows with its path, not with the number of routes. What the trie finds is tried in the
//! policy's order: method, then Envoy's own route, which is asked for only when it matters and at most once. When it
//! matters and cannot be read, the request is refused: going on would hand it to a broader route.

#[cfg(not(target_family = "wasm"))]
mod explain;
mod trie;

use std::collections::{HashMap, HashSet};

use trie::{Found, Trie};

use super::host::{Host, HostPattern};
use super::method::{Method, MethodSet};
use super::template::{Captures, Template};
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model;

/// The routes of a policy, ready to be found.
#[derive(Debug, Default)]
pub struct Router {
    routes: Vec<Matcher>,
    any_host: Trie,
    by_host: HashMap<Box<str>, Trie>,
    by_parent: HashMap<Box<str>, Trie>,
}

/// The compiled `match` of one route.
#[derive(Debug)]
struct Matcher {
    methods: Option<MethodSet>,
    templates: Vec<Template>,
    hosts: Option<Vec<HostPattern>>,
    envoy_route: Option<Box<str>>,
    /// Whether all of it could be compiled.
    whole: bool,
}

/// The route that a request takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Matched {
    /// Its place in the policy.
    pub route: usize,
    /// What its template took from the path.
    pub captures: Captures,
}

/// The request may be for a route that names an Envoy route, and which one Envoy chose could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvoyRouteUnknown;

impl Router {
    /// Compiles the `match` of all routes. `at` is the list of routes.
    pub fn compile(routes: &[model::Route], at: &Node, report: &mut Report) -> Self {
        let mut router = Self::default();
        let mut names = HashSet::new();
        for (index, route) in routes.iter().enumerate() {
            let at = at.item(index);
            if !names.insert(route.name.as_str()) {
                let message = format!("two routes are named `{}`", route.name);
                report.error(at.key("name"), Code::DuplicateName, message).help("records and metrics tell routes by name");
            }
            let matcher = Matcher::compile(&route.matches, at.key("match"), report);
            if let Some(by) = router.routes.iter().position(|earlier| earlier.covers(&matcher)) {
                let by = routes.get(by).map_or("", |route| route.name.as_str());
                let message = format!("no request reaches route `{}`: `{by}` before it takes them all", route.name);
                report.error(at, Code::UnreachableRoute, message).help("put the narrower route first, or take one out");
            }
            router.insert(matcher);
        }
        router
    }

    /// The route of a request. `envoy_route` reads the name of the route that Envoy chose.
    pub fn find(
        &self,
        method: &Method,
        path: &str,
        host: &Host,
        envoy_route: impl FnOnce() -> Option<String>,
    ) -> Result<Option<Matched>, EnvoyRouteUnknown> {
        let (mut ask, mut chosen) = (Some(envoy_route), None);
        for Found { route, template } in self.candidates(path, host) {
            let Some(matcher) = self.routes.get(route) else { continue };
            if !matcher.methods.as_ref().is_none_or(|methods| methods.contains(method)) {
                continue;
            }
            if let Some(wanted) = matcher.envoy_route.as_deref() {
                if let Some(ask) = ask.take() {
                    chosen = ask();
                }
                if chosen.as_deref().ok_or(EnvoyRouteUnknown)? != wanted {
                    continue;
                }
            }
            let captures = matcher.templates.get(template).and_then(|template| template.matches(path));
            return Ok(captures.map(|captures| Matched { route, captures }));
        }
        Ok(None)
    }

    /// The path templates of a route.
    #[must_use]
    pub fn templates(&self, route: usize) -> &[Template] {
        self.routes.get(route).map_or(&[], |route| &route.templates)
    }

    /// The Envoy route that a route is for, if it says one. A request to such a route must not be rewritten, because Envoy
    /// would choose its route again.
    #[must_use]
    pub fn envoy_route(&self, route: usize) -> Option<&str> {
        self.routes.get(route).and_then(|route| route.envoy_route.as_deref())
    }

    /// The routes whose template and host fit, in the policy's order.
    fn candidates(&self, path: &str, host: &Host) -> Vec<Found> {
        let by_parent = host.parent().and_then(|parent| self.by_parent.get(parent));
        let tries = [Some(&self.any_host), self.by_host.get(host.as_str()), by_parent];
        let segments: Vec<_> = super::path::segments(path).collect();
        let mut found = Vec::new();
        tries.into_iter().flatten().for_each(|trie| trie.find(&segments, &mut found));
        found.sort_unstable();
        found
    }

    fn insert(&mut self, matcher: Matcher) {
        let route = self.routes.len();
        for (index, template) in matcher.templates.iter().enumerate() {
            let found = Found { route, template: index };
            match &matcher.hosts {
                None => self.any_host.insert(template, found),
                Some(hosts) => hosts.iter().for_each(|host| {
                    let (tries, name) = match host {
                        HostPattern::Exact(host) => (&mut self.by_host, host),
                        HostPattern::AnyLabelBefore(host) => (&mut self.by_parent, host),
                    };
                    tries.entry(name.as_str().into()).or_default().insert(template, found);
                }),
            }
        }
        self.routes.push(matcher);
    }
}

impl Matcher {
    fn compile(written: &model::Match, at: &Node, report: &mut Report) -> Self {
        let model::Match { methods, paths, hosts, envoy_route } = written;
        let errors = report.error_count();
        let hosts = hosts.as_ref().map(|hosts| {
            let at = at.key("hosts");
            if hosts.is_empty() {
                report.error(at, Code::InvalidValue, "no host is named").help("name one, or leave the key out for all");
            }
            let compile = |(index, host): (usize, &String)| HostPattern::compile(host, at.item(index), report);
            hosts.iter().enumerate().filter_map(compile).collect()
        });
        let methods = methods.as_ref().map(|methods| MethodSet::compile(methods, at.key("methods"), report));
        let templates = Template::compile_all(paths, at.key("paths"), report);
        let envoy_route = envoy_route.as_deref().map(Into::into);
        Self { methods, templates, hosts, envoy_route, whole: report.error_count() == errors }
    }

    /// Whether every request that `other` takes fits this one. Says no when it takes several templates or hosts of this
    /// one together to cover one of the other.
    fn covers(&self, other: &Self) -> bool {
        let Self { methods, templates, hosts, envoy_route, whole } = self;
        fn wider<T>(own: Option<&T>, other: Option<&T>, covers: impl Fn(&T, &T) -> bool) -> bool {
            own.is_none_or(|own| other.is_some_and(|other| covers(own, other)))
        }
        *whole
            && other.whole
            && other.templates.iter().all(|other| templates.iter().any(|own| own.covers(other)))
            && wider(methods.as_ref(), other.methods.as_ref(), MethodSet::covers)
            && wider(hosts.as_ref(), other.hosts.as_ref(), |own, other| {
                other.iter().all(|other| own.iter().any(|own| own.covers(other)))
            })
            && wider(envoy_route.as_ref(), other.envoy_route.as_ref(), PartialEq::eq)
    }
}

#[cfg(test)]
mod tests;
