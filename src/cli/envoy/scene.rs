//! What stands in a configuration: listeners, their chains, HTTP connection managers, filters, routes, clusters, and our
//! filter with its policy.

mod ends;
mod reader;

use std::collections::BTreeSet;

use super::Options;
use super::document::{At, Typed};
use super::policy::Needs;
use super::sources::Sources;
use crate::cli::problem::Problem;
pub(super) use ends::endpoints_of;
use ends::ends_of;
use reader::Reader;

/// All of it.
pub(super) struct Scene<'d> {
    pub(super) bootstrap: Option<At<'d>>,
    pub(super) listeners: Vec<At<'d>>,
    pub(super) clusters: Vec<At<'d>>,
    pub(super) chains: Vec<Chain<'d>>,
    pub(super) plugins: Vec<Plugin<'d>>,
    /// Plugins of other modules.
    pub(super) strangers: Vec<At<'d>>,
    /// What could not be looked at, and why.
    pub(super) gaps: Vec<(At<'d>, String)>,
    /// Whether more clusters may come than are seen.
    pub(super) has_other_clusters: bool,
    /// The clusters that requests reach through our filter, and others of the same endpoints.
    pub(super) guarded: BTreeSet<&'d str>,
    /// What stands for all of it, where nothing else does.
    pub(super) root: At<'d>,
}

/// A filter chain of a listener.
pub(super) struct Chain<'d> {
    pub(super) listener: At<'d>,
    pub(super) at: At<'d>,
    pub(super) managers: Vec<Manager<'d>>,
    /// Filters of connections that are no HTTP connection manager.
    pub(super) others: Vec<Typed<'d>>,
}

/// An HTTP connection manager.
pub(super) struct Manager<'d> {
    pub(super) at: At<'d>,
    pub(super) filters: Vec<Filter<'d>>,
    /// Its upgrades, with the filters of those that have a chain of their own.
    pub(super) upgrades: Vec<(At<'d>, Vec<Filter<'d>>)>,
    pub(super) routes: Vec<At<'d>>,
}

/// An HTTP filter.
pub(super) struct Filter<'d> {
    pub(super) at: At<'d>,
    pub(super) name: &'d str,
    /// What it is, as far as that is known.
    pub(super) typed: Vec<Typed<'d>>,
    /// Our plugin in it.
    pub(super) plugin: Option<usize>,
    /// Where our plugin stands under conditions.
    pub(super) conditional: Option<At<'d>>,
}

/// Our filter's configuration.
pub(super) struct Plugin<'d> {
    /// The `PluginConfig`.
    pub(super) at: At<'d>,
    /// The text of the policy.
    pub(super) policy: Option<At<'d>>,
    pub(super) needs: Needs,
    pub(super) problems: Vec<Problem>,
}

impl<'d> Scene<'d> {
    pub(super) fn new(sources: &'d Sources, options: &Options<'_>) -> Option<Self> {
        let root = sources.files().next()?.root();
        let resources = sources.resources();
        let mut scene = Self {
            bootstrap: resources.bootstrap,
            listeners: resources.listeners.clone(),
            clusters: resources.clusters.clone(),
            chains: Vec::new(),
            plugins: Vec::new(),
            strangers: Vec::new(),
            gaps: resources.strange.clone(),
            has_other_clusters: false,
            guarded: BTreeSet::new(),
            root,
        };
        let mut reader = Reader { scene: &mut scene, resources: &resources, sources, options };
        reader.discovery();
        let listeners = resources.listeners.clone();
        listeners.iter().for_each(|listener| reader.listener(*listener));
        // A file of resources may hold our filter without a listener.
        for extension in resources.extensions.iter().filter_map(|extension| extension.get("typed_config")?.typed()) {
            reader.plugin(extension, None);
        }
        scene.guarded = scene.reached();
        Some(scene)
    }

    /// The connection managers that our filter stands in, each with its chain and the plugin.
    pub(super) fn guards(&self) -> impl Iterator<Item = (&Chain<'d>, &Manager<'d>, &Plugin<'d>)> {
        let managers = self.managers();
        managers.filter_map(|(chain, manager)| Some((chain, manager, self.plugins.get(manager.guard()?)?)))
    }

    pub(super) fn managers(&self) -> impl Iterator<Item = (&Chain<'d>, &Manager<'d>)> {
        self.chains.iter().flat_map(|chain| chain.managers.iter().map(move |manager| (chain, manager)))
    }

    pub(super) fn cluster(&self, name: &str) -> Option<At<'d>> {
        self.clusters.iter().find(|cluster| cluster.text_at("name") == Some(name)).copied()
    }

    /// Whether a way to this cluster is a way around our filter.
    pub(super) fn is_guarded(&self, cluster: &str) -> bool {
        self.guarded.contains(cluster)
    }

    /// The clusters behind our filter, by name, by what they are made of, and by where they lead.
    fn reached(&self) -> BTreeSet<&'d str> {
        let mut names: BTreeSet<&str> =
            self.guards().flat_map(|(_, manager, _)| manager.clusters()).map(|(_, name)| name).collect();
        for name in names.clone() {
            names.extend(self.cluster(name).into_iter().flat_map(members_of));
        }
        let ends: BTreeSet<String> = names.iter().filter_map(|name| self.cluster(name)).flat_map(ends_of).collect();
        for cluster in &self.clusters {
            let Some(name) = cluster.text_at("name") else { continue };
            let is_alias = ends_of(*cluster).any(|end| ends.contains(&end));
            let is_made_of = members_of(*cluster).any(|member| names.contains(member));
            if is_alias || is_made_of {
                names.insert(name);
            }
        }
        names
    }
}

/// The clusters that an aggregate is made of.
fn members_of(cluster: At<'_>) -> impl Iterator<Item = &str> {
    cluster.list("cluster_type/typed_config/clusters").filter_map(At::text)
}

impl<'d> Manager<'d> {
    /// Our plugin, where a filter of ours stands in the chain.
    pub(super) fn guard(&self) -> Option<usize> {
        self.filters.iter().find_map(|filter| filter.plugin)
    }

    /// How many filters stand before ours.
    pub(super) fn position(&self) -> Option<usize> {
        self.filters.iter().position(|filter| filter.plugin.is_some())
    }

    /// The clusters that its routes name, each with its place.
    pub(super) fn clusters(&self) -> impl Iterator<Item = (At<'d>, &'d str)> {
        self.actions().flat_map(|action| {
            let weighted = action.list("weighted_clusters/clusters").filter_map(|one| one.get("name"));
            action.get("cluster").into_iter().chain(weighted).filter_map(|at| Some((at, at.text()?)))
        })
    }

    /// Its virtual hosts' routes.
    pub(super) fn all_routes(&self) -> impl Iterator<Item = At<'d>> {
        let hosts = self.routes.iter().flat_map(|table| table.list("virtual_hosts"));
        hosts.flat_map(|host| {
            let tree = host.get("matcher").map(At::within).unwrap_or_default();
            let matched = tree.into_iter().filter(|at| at.get("route").is_some() && at.get("match").is_some());
            host.list("routes").chain(matched)
        })
    }

    /// Where its routes send requests to.
    pub(super) fn actions(&self) -> impl Iterator<Item = At<'d>> {
        self.all_routes().filter_map(|route| route.get("route"))
    }
}

/// The filters that stand under a condition in another one, with all that they are made of.
pub(super) fn wrapped_in(typed: Typed<'_>) -> Vec<Typed<'_>> {
    let is_wrapper = typed.is("ExtensionWithMatcher") || typed.is("Composite");
    let inner = typed.body.within().into_iter().skip(1).filter(|_| is_wrapper);
    inner.filter_map(At::typed).collect()
}

/// Whether it is an HTTP filter of Wasm.
pub(super) fn is_wasm(typed: Typed<'_>) -> bool {
    typed.is("Wasm") && typed.kind.contains("http")
}
