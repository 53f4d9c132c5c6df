//! API keys.

use schemars::JsonSchema;

use super::Sha256Hex;
use crate::policy::model::units::Timestamp;

/// API keys in one place of a request: `header`, `query` or `cookie`.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeys {
    /// The request header that carries the key, after `Bearer` in `authorization`, alone in any other.
    #[serde(default)]
    pub header: Option<String>,
    /// The word before the key in the header, in any case, instead of `Bearer` or none: `Token`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The query parameter that carries the key, instead of a header. It stands in access logs and histories, and is taken
    /// out of every request: let nothing behind us have a parameter of that name.
    #[serde(default)]
    pub query: Option<String>,
    /// The cookie that carries the key, instead of a header. Browsers send it with what other sites ask for, too.
    #[serde(default)]
    pub cookie: Option<String>,
    /// The keys, or files that hold them.
    // `policy::load` refuses what names a file still: only the command line can read one.
    #[schemars(with = "KeyList")]
    pub keys: Vec<ApiKey>,
    /// The roles these keys may confer; all others they name are ignored. All when absent.
    #[serde(default)]
    pub accept_roles: Option<Vec<String>>,
    /// Whether the upstream gets the key.
    #[serde(default)]
    pub forward: bool,
}

/// Keys as a policy may write them before `carewarden build` has put files in.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum KeyList {
    /// A file.
    File(KeyFile),
    /// Keys and files.
    List(#[schemars(length(min = 1))] Vec<KeyOrFile>),
}

/// A key, or a file that holds some.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum KeyOrFile {
    /// A key.
    Key(ApiKey),
    /// A file.
    File(KeyFile),
}

/// A file with a JSON array of keys. `carewarden build` puts its content in its place, since Envoy gives a module no
/// files to read; `check` and `test` read it too.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct KeyFile {
    /// Where the file is, seen from the policy's directory.
    file: String,
}

/// One API key.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Whose key it is. A client may have several, so that keys can be rotated.
    pub client: String,
    /// A name for the key in records and metrics: letters, digits, `-`, `_`; the first eight digits of the hash when
    /// absent.
    #[serde(default)]
    pub id: Option<String>,
    /// SHA-256 of the key, in hexadecimal (`carewarden keygen`).
    pub sha256: Sha256Hex,
    /// The roles that the key confers.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The names of the routes where the key may be used; all when absent.
    #[serde(default)]
    pub routes: Option<Vec<String>>,
    /// The key is refused before this moment.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// The key is refused from this moment on.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
    /// Who is to be asked about the key, for those who rotate it. Nothing else comes of it.
    #[serde(default)]
    pub owner: Option<String>,
}
