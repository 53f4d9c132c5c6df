//! Envoy's one worker thread, and what it has cost so far.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const NAME: &str = "wrk:worker_0";

/// A worker of a running Envoy.
pub(crate) struct Worker {
    schedstat: PathBuf,
}

impl Worker {
    /// The worker of the Envoy that has this process id.
    pub(crate) fn of(process: u32) -> Option<Self> {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).ok()?;
        let is_worker = |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == NAME);
        let task = tasks.flatten().map(|entry| entry.path()).find(is_worker)?;
        let worker = Self { schedstat: task.join("schedstat") };
        worker.cpu_time().map(|_| worker)
    }

    /// The time that it spent on a processor. Linux brings this up to date when a thread goes to sleep, so ask when
    /// nothing is under way.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        let text = fs::read_to_string(&self.schedstat).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    }
}
