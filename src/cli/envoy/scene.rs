//! What stands in a configuration: listeners, their chains, HTTP connection managers, filters, routes, clusters, and our
//! filter with its policy.

use std::collections::BTreeSet;

use super::Options;
use super::document::{At, Typed};
use super::policy::Needs;
use super::sources::{Resources, Sources, path_of};
use crate::cli::problem::Problem;

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
        let ends: BTreeSet<String> =
            names.iter().filter_map(|name| self.cluster(name)).flat_map(endpoints_of).map(|(_, end)| end).collect();
        for cluster in &self.clusters {
            let Some(name) = cluster.text_at("name") else { continue };
            let is_alias = endpoints_of(*cluster).any(|(_, end)| ends.contains(&end));
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

/// The endpoints of a cluster: `address:port`, or the path of a socket.
pub(super) fn endpoints_of(cluster: At<'_>) -> impl Iterator<Item = (At<'_>, String)> {
    let localities = cluster.list("load_assignment/endpoints");
    localities.flat_map(|locality| locality.list("lb_endpoints")).filter_map(|endpoint| {
        let address = endpoint.at("endpoint/address")?;
        let (host, port) = (address.text_at("socket_address/address"), address.text_at("socket_address/port_value"));
        let text = match (host, address.text_at("pipe/path")) {
            (Some(host), _) => format!("{host}:{}", port.unwrap_or_default()),
            (_, path) => path?.to_owned(),
        };
        Some((address, text))
    })
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

/// Reads listeners with what they refer to.
struct Reader<'s, 'd> {
    scene: &'s mut Scene<'d>,
    resources: &'s Resources<'d>,
    sources: &'d Sources,
    options: &'s Options<'s>,
}

impl<'d> Reader<'_, 'd> {
    /// What a bootstrap has from elsewhere.
    fn discovery(&mut self) {
        let Some(bootstrap) = self.scene.bootstrap.filter(|_| !self.resources.is_dump) else { return };
        let fields = [
            ("lds_config", "listeners"),
            ("lds_resources_locator", "listeners"),
            ("cds_config", "clusters"),
            ("cds_resources_locator", "clusters"),
        ];
        for (field, what) in fields {
            let Some(source) = bootstrap.at("dynamic_resources").and_then(|dynamic| dynamic.get(field)) else { continue };
            if self.sources.has(source) {
                continue;
            }
            self.scene.has_other_clusters |= what == "clusters";
            let place = path_of(source).map_or_else(
                || "a server; judge what the running Envoy has, `curl localhost:PORT/config_dump`".to_owned(),
                |path| format!("`{path}`, which cannot be read"),
            );
            self.scene.gaps.push((source, format!("the {what} come from {place}")));
        }
    }

    fn listener(&mut self, listener: At<'d>) {
        if let Some(api) = listener.get("api_listener") {
            self.scene.gaps.push((api, "an `api_listener` is not looked at".to_owned()));
        }
        let chains = listener.list("filter_chains").chain(listener.get("default_filter_chain"));
        for at in chains.collect::<Vec<_>>() {
            let mut chain = Chain { listener, at, managers: Vec::new(), others: Vec::new() };
            for filter in at.list("filters") {
                match self.resolved(filter).first() {
                    Some(typed) if typed.is("HttpConnectionManager") => chain.managers.push(self.manager(typed.body)),
                    Some(typed) => chain.others.push(*typed),
                    None => (),
                }
            }
            self.scene.chains.push(chain);
        }
    }

    fn manager(&mut self, at: At<'d>) -> Manager<'d> {
        let filters = at.list("http_filters").map(|filter| self.filter(filter)).collect();
        let upgrades = at.list("upgrade_configs");
        let upgrades = upgrades.map(|one| (one, one.list("filters").map(|filter| self.filter(filter)).collect())).collect();
        let mut routes: Vec<_> = at.get("route_config").into_iter().collect();
        if let Some(rds) = at.get("rds") {
            let name = rds.text_at("route_config_name").unwrap_or_default();
            let known = self.resources.routes.iter().filter(|table| table.text_at("name").unwrap_or_default() == name);
            let known: Vec<_> = known.copied().collect();
            if known.is_empty() {
                self.scene.gaps.push((rds, format!("the routes `{name}` are not in what was read")));
            }
            routes.extend(known);
        }
        if let Some(scoped) = at.get("scoped_routes") {
            self.scene.gaps.push((scoped, "scoped routes are not looked at".to_owned()));
        }
        for vhds in routes.iter().filter_map(|table| table.get("vhds")) {
            self.scene.gaps.push((vhds, "virtual hosts that come on demand (VHDS) are not seen".to_owned()));
        }
        Manager { at, filters, upgrades, routes }
    }

    fn filter(&mut self, at: At<'d>) -> Filter<'d> {
        let name = at.text_at("name").unwrap_or_default();
        let mut typed = self.resolved(at);
        let plugin = typed.iter().find_map(|typed| self.plugin(*typed, Some(name)));
        let is_nested = |nested: &At<'d>| nested.typed().is_some_and(|typed| self.is_ours(typed, None));
        let conditional = match plugin {
            Some(_) => None,
            None => typed.iter().find_map(|typed| typed.body.within().into_iter().find(is_nested)),
        };
        let wrapped: Vec<_> = typed.iter().flat_map(|typed| wrapped_in(*typed)).collect();
        typed.extend(wrapped);
        Filter { at, name, typed, plugin, conditional }
    }

    /// What a filter is: what stands there, or what discovery delivers under its name.
    fn resolved(&mut self, filter: At<'d>) -> Vec<Typed<'d>> {
        if let Some(typed) = filter.get("typed_config").and_then(At::typed) {
            return vec![typed];
        }
        let Some(discovery) = filter.get("config_discovery") else { return Vec::new() };
        let name = filter.text_at("name").unwrap_or_default();
        let known = self.resources.extensions.iter().filter(|extension| extension.text_at("name") == Some(name));
        let known: Vec<_> = known.filter_map(|extension| extension.get("typed_config")?.typed()).collect();
        if known.is_empty() {
            let source = discovery.get("config_source");
            let place = match source.and_then(path_of) {
                Some(path) if source.is_some_and(|source| self.sources.has(source)) => {
                    format!("`{path}` has none of that name")
                }
                Some(path) => format!("`{path}` cannot be read; `make policy` writes one"),
                None => "it is not in what was read; judge a `/config_dump` of the running Envoy".to_owned(),
            };
            self.scene.gaps.push((discovery, format!("the filter `{name}` comes from elsewhere, and {place}")));
        }
        known
    }

    /// Our plugin, where it is one.
    fn plugin(&mut self, typed: Typed<'d>, name: Option<&str>) -> Option<usize> {
        let at = typed.body.get("config")?;
        if !self.is_ours(typed, name) {
            if is_wasm(typed) && !self.scene.strangers.iter().any(|known| known.is_same(at)) {
                self.scene.strangers.push(at);
            }
            return None;
        }
        // By its place alone a plugin of another name may be known already.
        let known = self.scene.plugins.iter().position(|plugin| plugin.at.is_same(at));
        self.scene.strangers.retain(|stranger| !stranger.is_same(at));
        Some(known.unwrap_or_else(|| {
            let policy = at.at("configuration").and_then(At::typed).filter(|typed| typed.is("StringValue"));
            let policy = policy.and_then(|typed| typed.body.get("value")).filter(|value| value.text().is_some());
            let read = policy.map(|value| Needs::read(value, self.options.require_env));
            let (needs, problems) = read.unwrap_or_default();
            self.scene.plugins.push(Plugin { at, policy, needs, problems });
            self.scene.plugins.len().saturating_sub(1)
        }))
    }

    fn is_ours(&self, typed: Typed<'_>, name: Option<&str>) -> bool {
        let Some(config) = typed.body.get("config").filter(|_| is_wasm(typed)) else { return false };
        let names = [name, config.text_at("name"), config.text_at("root_id")];
        let code = |place: &str| config.text_at(&format!("vm_config/code/{place}"));
        match self.options.filter {
            Some(wanted) => names.contains(&Some(wanted)),
            None => names
                .into_iter()
                .chain([code("local/filename"), code("remote/http_uri/uri")])
                .flatten()
                .any(|text| text.to_ascii_lowercase().contains("carewarden")),
        }
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
