//! The `log` macros, written to Envoy's log.

use super::host;

struct EnvoyLog;

impl log::Log for EnvoyLog {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        host::log(record.level(), &record.args().to_string());
    }

    fn flush(&self) {}
}

/// Sends the `log` macros to Envoy. Envoy filters by its own level.
pub(super) fn install() {
    static LOG: EnvoyLog = EnvoyLog;
    if log::set_logger(&LOG).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
    std::panic::set_hook(Box::new(|info| {
        // The message of a panic may hold what a client sent; its place cannot.
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        host::log(log::Level::Error, &format!("carewarden: internal error at {place}"));
    }));
}
