//! Profiles that come with Carewarden: policy JSON like any other, to be printed, extended and overridden.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::policy::model::Profile;

/// Each by its name, as it is written.
const TEXTS: &[(&str, &str)] = &[
    ("hipaa-safe-harbor", include_str!("preset/hipaa-safe-harbor.json")),
    ("limited-data-set", include_str!("preset/limited-data-set.json")),
    ("minimum-necessary-billing", include_str!("preset/minimum-necessary-billing.json")),
    ("minimum-necessary-research", include_str!("preset/minimum-necessary-research.json")),
    ("minimum-necessary-scheduling", include_str!("preset/minimum-necessary-scheduling.json")),
];

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|(name, _)| *name)
}

/// The preset of this name, as JSON: a profile of a policy's `redaction`.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(own, _)| *own == name).map(|(_, text)| *text)
}

/// The preset of this name.
pub(super) fn profile(name: &str) -> Option<&'static Profile> {
    static PROFILES: LazyLock<BTreeMap<&'static str, Profile>> = LazyLock::new(|| {
        // One that could not be read would not be there, and a policy that names it would be refused; a test reads all.
        TEXTS.iter().filter_map(|(name, text)| Some((*name, serde_json::from_str(text).ok()?))).collect()
    });
    PROFILES.get(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;
    use crate::policy::diagnostic::Report;

    /// As a profile of a policy each is without an error, and without a warning but for what a preset has to leave open.
    #[test]
    fn every_preset_is_a_valid_profile() {
        for name in names() {
            assert!(profile(name).is_some(), "{name}");
            let profile = text(name).unwrap();
            let policy = format!(r#"{{"version": 1, "name": "x", "routes": [], "redaction": {{"own": {profile}}}}}"#);
            let mut report = Report::new(&policy);
            let env = |name: &str| (name == "PHI_KEY").then(|| "0123456789abcdef0123456789abcdef".to_owned());
            let loaded = policy::load(&policy, &mut report).unwrap();
            super::super::compile(&loaded, &env, &mut report);
            assert!(report.is_empty(), "{name}: {:?}", report.into_vec());
        }
    }
}
