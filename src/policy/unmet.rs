//! What of a policy's conditions a request does not meet, in words, for whoever asks why. Not part of the module for Envoy.
//!
//! The words repeat what a request and a token say. They are for a desk, never for a log.

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Its key in the policy, as in `roles` or `claims//suspended`: what leads from the place of all conditions to it.
    pub key: String,
    /// Why it does not hold.
    pub says: String,
}

impl Unmet {
    /// A condition at this key.
    pub fn new(key: impl Into<String>, says: impl Into<String>) -> Self {
        Self { key: key.into(), says: says.into() }
    }
}

/// A list, as a sentence has it: "`a`, `b`"; "nothing" where it is empty.
pub fn listed<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
