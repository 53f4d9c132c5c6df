//! Names that become labels of metrics: of policies, routes, providers, keys.

use super::diagnostic::{Code, Report};
use super::document::Node;

/// The longest of them.
const MAX_LABEL: usize = 64;

/// Whether a name may be a label's value: `.` parts labels in a metric's name, and `-` alone stands for none.
#[must_use]
pub fn is_label(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= MAX_LABEL && name.bytes().all(fits) && name != "-"
}

/// Reports a name, which stands at `at`, that may not.
pub fn check(name: &str, at: &Node, report: &mut Report) {
    if !is_label(name) {
        report
            .error(at, Code::InvalidValue, format!("`{name}` cannot be part of a metric's name"))
            .help("use letters, digits, `-` and `_`, at most 64 of them");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_part_labels_is_no_label() {
        assert!(is_label("billing-2026_a") && is_label(&"x".repeat(64)));
        for name in ["", "-", "a.b", "a b", "\u{e9}", "a/b", &"x".repeat(65)] {
            assert!(!is_label(name), "{name}");
        }
    }
}
