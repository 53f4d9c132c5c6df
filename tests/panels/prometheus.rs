//! A Prometheus with the shipped configuration and rules, which scrapes one Envoy and is asked what the panels ask.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{fs, io};

use serde_json::Value;

use crate::support::client::{Client, Protocol};
use crate::support::envoy::wait_for;
use crate::support::message::Request;

/// Seconds between two scrapes, and so between two points: a day of the real thing in minutes.
pub(crate) const INTERVAL: u64 = 5;
/// What Grafana would say for `$__rate_interval`: four scrapes at least.
pub(crate) const RATE_INTERVAL: &str = "30s";

pub(crate) struct Prometheus {
    process: Child,
    address: SocketAddr,
}

/// What one series of an answer has: its labels, and times with values.
pub(crate) struct Series {
    pub(crate) labels: Value,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Prometheus {
    /// Starts one in this directory that scrapes this address.
    pub(crate) fn start(directory: &Path, target: &str) -> io::Result<Self> {
        // What an earlier run left would be drawn, too.
        let _absent = fs::remove_dir_all(directory);
        fs::create_dir_all(directory)?;
        let shipped = include_str!("../../envoy/prometheus/prometheus.yml");
        assert!(shipped.contains("\"envoy:9902\"") && shipped.contains(": 15s"));
        let configuration = shipped.replace("envoy:9902", target).replace(": 15s", &format!(": {INTERVAL}s"));
        fs::write(directory.join("prometheus.yml"), configuration)?;
        fs::write(directory.join("rules.yml"), include_str!("../../envoy/prometheus/rules.yml"))?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new("prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]);
        command.arg(format!("--web.listen-address={address}")).current_dir(directory);
        let log = fs::File::create(directory.join("prometheus.log"))?;
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let process = process.map_err(|error| io::Error::other(format!("no `prometheus` (Debian's package): {error}")))?;
        let own = Self { process, address };
        wait_for(|| std::net::TcpStream::connect(own.address).ok()).ok_or_else(|| io::Error::other("it does not start"))?;
        Ok(own)
    }

    /// The series of an expression between two times, in seconds since 1970.
    pub(crate) fn ask(&self, expression: &str, from: u64, to: u64) -> Vec<Series> {
        let query = percent_encoded(expression);
        let path = format!("/api/v1/query_range?query={query}&start={from}&end={to}&step={INTERVAL}");
        let answer = Client::plain(self.address).send(Protocol::Http1, &Request::get(&path)).json();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let found = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        found.into_iter().map(series).filter(|series| !series.points.is_empty()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _waited = self.process.wait();
    }
}

/// One series; what is no number (a ratio of nothing) is left out.
fn series(mut found: Value) -> Series {
    let points = found["values"].as_array().cloned().unwrap_or_default();
    let number = |point: &Value| Some((point[0].as_f64()?, point[1].as_str()?.parse::<f64>().ok()?));
    let points = points.iter().filter_map(number).filter(|(_, value)| value.is_finite()).collect();
    Series { labels: found["metric"].take(), points }
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
