//! Profiles that come with Carewarden: policy JSON like any other, to be printed, extended and overridden.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::policy::model::Profile;

/// Each by its name, as it is written.
const TEXTS: &[(&str, &str)] = &[("hipaa-safe-harbor", include_str!("preset/hipaa-safe-harbor.json"))];

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
