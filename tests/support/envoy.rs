//! A real Envoy, started for a test and ended with it.
//!
//! Envoy runs under a small shell that waits for its standard input to end: so it goes with the process that started it,
//! even when that is killed, and even when the value here lives in a static and is never dropped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::Value;

use super::client::{Client, Protocol};
use super::config::{self, Files, Options, Shipped};
use super::message::Request;
use super::tls::{Certificates, Identity};
use super::upstream::Upstream;

/// How long Envoy may take to start; it compiles the module.
const START: Duration = Duration::from_secs(60);
/// Runs its arguments, ends them when standard input ends, and ends when they do.
const SUPERVISOR: &str = r#"exec 3<&0; "$@" </dev/null & child=$!; (cat <&3; kill $child) >/dev/null 2>&1 & wait $child"#;

/// A running Envoy with the filter in it.
pub struct Envoy {
    supervisor: Child,
    directory: PathBuf,
    options: Options,
    admin: SocketAddr,
    listeners: Value,
    authority: String,
    /// Those of `client_names`, in that order.
    pub identities: Vec<Identity>,
}

impl Envoy {
    /// Starts Envoy with the tests' configuration in front of the upstream and waits until it serves.
    pub fn start(options: Options, upstream: &Upstream) -> Self {
        let directory = fresh_directory();
        let module = options.module.clone().unwrap_or_else(module);
        let files = Files { directory: &directory, module: &module };
        let filter = config::filter(&options, &files, &options.policy).to_string();
        let bootstrap = config::bootstrap(&options, &files, upstream.address).to_string();
        write(&directory, "filter.json", &filter);
        write(&directory, "envoy.json", &bootstrap);
        let certificates = Certificates::with_clients(&["localhost"], &options.client_names).expect("certificates");
        certificates.write(&directory).expect("a writable target directory");
        let mut command = command(&directory, "envoy.json", options.workers);
        command.args(["--log-level", options.log_level]);
        let mut envoy = Self::run(command, directory, options, certificates.authority);
        envoy.identities = certificates.clients;
        envoy
    }

    /// Starts Envoy with `envoy/envoy.yaml` as it is shipped, but for what is put in and a change to its text.
    pub fn shipped(what: &Shipped<'_>, upstream: &Upstream, change: impl FnOnce(String) -> String) -> Self {
        let directory = fresh_directory();
        what.certificates.write(&directory.join("envoy/certs")).expect("a writable target directory");
        write(&directory, "envoy/filter.yaml", &config::shipped_filter(&module(), what.policy));
        write(&directory, "envoy.yaml", &change(config::shipped(what, upstream.address)));
        let mut command = command(&directory, "envoy.yaml", 1);
        command.envs(what.secrets.iter().copied());
        Self::run(command, directory, Options::default(), what.certificates.authority.clone())
    }

    /// Starts Envoy with this bootstrap configuration.
    pub fn configured(bootstrap: &Value) -> Self {
        let directory = fresh_directory();
        write(&directory, "envoy.json", &bootstrap.to_string());
        Self::run(command(&directory, "envoy.json", 1), directory, Options::default(), String::new())
    }

    /// Starts Envoy with this bootstrap configuration, with files beside it, and secrets in its environment. It shows the
    /// certificate of the server.
    pub fn beside(
        files: &[(&str, String)],
        bootstrap: &Value,
        certificates: &Certificates,
        secrets: &[(&str, &str)],
    ) -> Self {
        let directory = fresh_directory();
        certificates.write(&directory).expect("a writable target directory");
        for (name, text) in files {
            write(&directory, name, text);
        }
        write(&directory, "envoy.json", &bootstrap.to_string());
        let mut command = command(&directory, "envoy.json", 1);
        command.envs(secrets.iter().copied());
        Self::run(command, directory, Options::default(), certificates.authority.clone())
    }

    fn run(mut command: Command, directory: PathBuf, options: Options, authority: String) -> Self {
        let mut supervisor = command.spawn().expect("sh runs");
        let Some(admin) = wait_for(|| serving(&directory, &mut supervisor)).flatten() else {
            end(&mut supervisor);
            panic!("Envoy did not start:\n{}", fs::read_to_string(directory.join("envoy.log")).unwrap_or_default());
        };
        let listeners = serde_json::from_str(&self::admin(admin, "/listeners?format=json")).expect("JSON");
        Self { supervisor, directory, options, admin, listeners, authority, identities: Vec::new() }
    }

    /// A client that comes over TLS.
    pub fn client(&self) -> Client {
        Client::tls(self.listener(0), &self.authority)
    }

    /// A client that comes without.
    pub fn plain(&self) -> Client {
        Client::plain(self.listener(1))
    }

    /// The id of Envoy's process: the first child of its supervisor.
    pub fn process(&self) -> u32 {
        let supervisor = self.supervisor.id();
        let children = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children"));
        let first = children.ok().and_then(|ids| ids.split(' ').next()?.parse().ok());
        first.expect("a supervisor has a child")
    }

    /// Its resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process())).expect("Envoy runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// The directory that it runs in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where its admin interface is.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The address of a listener, in the order of the configuration.
    pub fn listener(&self, index: usize) -> SocketAddr {
        let socket = &self.listeners["listener_statuses"][index]["local_address"]["socket_address"];
        let address = format!("{}:{}", socket["address"].as_str().expect("an address"), socket["port_value"]);
        address.parse().expect("an address")
    }

    /// Has the next policy come with another environment, and so with a module that is loaded anew.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.options.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Hands Envoy another policy, as written, and waits until it was taken or refused. Whether it was taken.
    pub fn set_policy(&self, policy: &str) -> bool {
        let outcome = |what: &str| self.stat(&format!("extension_config_discovery.http_filter.carewarden.{what}"));
        let (taken, refused) = (outcome("update_success"), outcome("update_rejected"));
        let module = self.options.module.clone().unwrap_or_else(module);
        let files = Files { directory: &self.directory, module: &module };
        // Envoy watches for files moved into place, so that it never reads half of one.
        write(&self.directory, "filter.next.json", &config::filter(&self.options, &files, policy).to_string());
        let next = self.directory.join("filter.next.json");
        fs::rename(next, self.directory.join("filter.json")).expect("a writable target directory");
        let settled = || match (outcome("update_success") > taken, outcome("update_rejected") > refused) {
            (false, false) => None,
            (was_taken, _) => Some(was_taken),
        };
        wait_for(settled).expect("Envoy reads the file that moved into place")
    }

    /// All that Envoy and the module logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("envoy.log")).expect("Envoy's log")
    }

    /// What Envoy wrote to its standard output: the access log of the shipped configuration.
    pub fn output(&self) -> String {
        fs::read_to_string(self.output_path()).expect("Envoy's output")
    }

    /// The file that holds it.
    pub fn output_path(&self) -> PathBuf {
        self.directory.join("envoy.out")
    }

    /// Waits until the output holds this text; whether it did.
    pub fn prints(&self, text: &str) -> bool {
        wait_for(|| self.output().contains(text).then_some(())).is_some()
    }

    /// Waits until the log holds this text; whether it did.
    pub fn logs(&self, text: &str) -> bool {
        wait_for(|| self.log().contains(text).then_some(())).is_some()
    }

    /// Waits until the access log has this many lines about a path, queries left aside.
    pub fn access_log(&self, path: &str, count: usize) -> Vec<Value> {
        let about = |line: &Value| line["path"].as_str().and_then(|own| own.split('?').next()) == Some(path);
        let lines = || {
            let lines: Vec<Value> = self.whole_access_log().into_iter().filter(about).collect();
            (lines.len() >= count).then_some(lines)
        };
        wait_for(lines).unwrap_or_else(|| panic!("the access log has not {count} lines about {path}"))
    }

    /// The access log as it is now.
    pub fn whole_access_log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.directory.join("access.log")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("access log lines are JSON")).collect()
    }

    /// The audit records of this many requests for a path.
    pub fn audit(&self, path: &str, count: usize) -> Vec<Value> {
        let record = |line: &Value| {
            let record = line["audit"].as_str().expect("an audit record in the filter state");
            serde_json::from_str(record).expect("the audit record is JSON")
        };
        self.access_log(path, count).iter().map(record).collect()
    }

    /// A counter or gauge of our module.
    pub fn metric(&self, name: &str) -> u64 {
        self.stat(&format!("wasmcustom.{name}"))
    }

    /// A counter or gauge of Envoy's by its whole name; 0 when there is none.
    pub fn stat(&self, name: &str) -> u64 {
        let line = self.stats().into_iter().find(|(own, _)| own == name);
        line.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
    }

    /// All counters, gauges and histograms.
    pub fn stats(&self) -> Vec<(String, String)> {
        let text = self.admin("/stats");
        text.lines().filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    /// Asks the admin interface.
    pub fn admin(&self, path: &str) -> String {
        admin(self.admin, path)
    }

    /// Whether the VM has trapped since Envoy started.
    pub fn trapped(&self) -> bool {
        let log = self.log();
        ["Function: ", "Wasm VM failed", "RuntimeError", "panicked"].iter().any(|sign| log.contains(sign))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        end(&mut self.supervisor);
        if !thread::panicking() {
            let _kept = fs::remove_dir_all(&self.directory);
        }
    }
}

fn command(directory: &Path, configuration: &str, workers: usize) -> Command {
    let create = |name: &str| fs::File::create(directory.join(name)).expect("a writable target directory");
    let mut command = Command::new("sh");
    command.args(["-c", SUPERVISOR, "sh"]).arg(binary()).args(["-c", configuration]);
    command.args(["--concurrency", &workers.to_string()]);
    command.args(["--disable-hot-restart", "--admin-address-path", "admin.address"]);
    command.args(["--file-flush-interval-msec", "50"]).current_dir(directory);
    command.stdin(Stdio::piped()).stdout(create("envoy.out")).stderr(create("envoy.log"));
    command
}

fn end(supervisor: &mut Child) {
    drop(supervisor.stdin.take());
    let _ended = supervisor.wait();
}

/// `Some` when it is settled: the admin address once Envoy serves, `None` once it has ended.
fn serving(directory: &Path, supervisor: &mut Child) -> Option<Option<SocketAddr>> {
    if supervisor.try_wait().is_ok_and(|status| status.is_some()) {
        return Some(None);
    }
    let address: SocketAddr = fs::read_to_string(directory.join("admin.address")).ok()?.parse().ok()?;
    (admin(address, "/ready").trim() == "LIVE").then_some(Some(address))
}

fn admin(address: SocketAddr, path: &str) -> String {
    Client::plain(address).send(Protocol::Http1, &Request::get(path)).text()
}

/// Asks every 20 ms until there is an answer; `None` when none came in time.
pub fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < START {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        thread::sleep(Duration::from_millis(20));
    }
    None
}

fn write(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).expect("a writable target directory");
}

fn fresh_directory() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let directory = target().join("e2e").join(name);
    fs::create_dir_all(&directory).expect("a writable target directory");
    directory
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target")
}

/// The Envoy binary: `ENVOY_BIN`, or the one that `make envoy` installed.
fn binary() -> PathBuf {
    let binary = env::var_os("ENVOY_BIN").map_or_else(|| target().join("envoy/bin/envoy"), PathBuf::from);
    assert!(binary.exists(), "no Envoy at {}: run `make envoy`, or set ENVOY_BIN", binary.display());
    binary
}

/// Our module: `CAREWARDEN_MODULE`, or the one that `make module` built.
pub fn module() -> PathBuf {
    let built = || target().join("wasm32-wasip1/release/carewarden.wasm");
    let module = env::var_os("CAREWARDEN_MODULE").map_or_else(built, PathBuf::from);
    assert!(module.exists(), "no module at {}: run `make module`, or set CAREWARDEN_MODULE", module.display());
    module
}
