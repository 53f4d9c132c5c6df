//! HTTP: heads over byte headers, paths, hosts, media types, content codings.

pub mod cookie;
pub mod decode;
mod headers;
mod host;
mod media_type;
mod method;
pub mod multipart;
pub mod parameter;
pub mod path;
mod percent;
pub mod query;
mod router;
mod template;

pub use decode::{Coding, DecodeError, Decoder};
pub use headers::{Headers, Repeated};
pub use host::{Host, HostError, HostPattern};
pub use media_type::{JsonLayout, MediaType, MediaTypeError};
pub use method::{Method, MethodError, MethodSet};
pub use path::{Target, TargetError};
pub use router::{EnvoyRouteUnknown, Matched, Router};
pub use template::{Captures, Template};
