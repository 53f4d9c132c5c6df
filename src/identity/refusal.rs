//! Why a caller was not accepted, or not yet.

use std::time::Duration;

/// What stands between a caller and an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// It is refused.
    Refused(Refusal),
    /// Somebody has to be asked first; the request waits, but no longer than this.
    Awaits(Duration),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $reason:literal, $error:expr;)*) => {
        /// Why a caller was not accepted. Holds nothing of the request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal { $($(#[$doc])* $name,)* }

        impl Refusal {
            /// Every refusal, for tables of metrics and documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable reason code, for replies, records and metrics.
            #[must_use]
            pub fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason,)* }
            }

            /// The `error` of a `WWW-Authenticate: Bearer` challenge (RFC 6750 section 3.1).
            ///
            /// None where no token was shown: such a challenge only says that one is needed.
            #[must_use]
            pub fn bearer_error(self) -> Option<&'static str> {
                match self { $(Self::$name => $error,)* }
            }
        }
    };
}

const REQUEST: Option<&str> = Some("invalid_request");
const TOKEN: Option<&str> = Some("invalid_token");
const SCOPE: Option<&str> = Some("insufficient_scope");

refusals! {
    /// No credential of a provider that may vouch here.
    Missing = "missing_credentials", None;
    /// A header with a scheme other than the provider's: `Bearer` in `authorization`.
    Scheme = "unsupported_scheme", None;
    /// A header, query parameter or cookie that carries a credential stands twice.
    Repeated = "repeated_credentials", REQUEST;
    /// Credentials in several places where one is to decide.
    Several = "several_credentials", REQUEST;
    /// A value that no credential can look like, or a name that some take for that of a credential and others do not.
    Malformed = "malformed_credentials", REQUEST;
    /// A credential longer than any that is accepted.
    TooLong = "credentials_too_long", REQUEST;
    /// An API key that the policy does not know.
    UnknownApiKey = "unknown_api_key", TOKEN;
    /// An API key before its time.
    ApiKeyNotYetValid = "api_key_not_yet_valid", TOKEN;
    /// An API key after its time.
    ApiKeyExpired = "api_key_expired", TOKEN;
    /// An API key that is not for this route.
    ApiKeyRoute = "api_key_route", SCOPE;
    /// A client certificate that no provider knows.
    UnknownCertificate = "unknown_certificate", None;
    /// A token that is not a JWT in compact serialisation (RFC 7515 section 7.1), in its one canonical form.
    MalformedToken = "malformed_token", TOKEN;
    /// A header parameter that asks for more than we do (`crit`) or brings a key along (`jku`, `x5u`, `jwk`).
    HeaderParameter = "token_header_parameter", TOKEN;
    /// An algorithm that the provider does not accept, `none` included.
    Algorithm = "token_algorithm", TOKEN;
    /// A token type that the provider does not accept.
    TokenType = "token_type", TOKEN;
    /// No issuer, or one that may not vouch here.
    UnknownIssuer = "unknown_issuer", TOKEN;
    /// No key of the issuer fits the token's `kid` and algorithm.
    UnknownKey = "unknown_key", TOKEN;
    /// The keys of the issuer, or what it says of the token, are not there and could not be had in time.
    Unavailable = "identity_unavailable", None;
    /// An opaque token that its issuer does not know, or not any more.
    Inactive = "token_inactive", TOKEN;
    /// Several keys fit, and the token does not say which.
    AmbiguousKey = "ambiguous_key", TOKEN;
    /// The signature is not the issuer's.
    BadSignature = "bad_signature", TOKEN;
    /// A claim that has to be there is not.
    MissingClaim = "missing_claim", TOKEN;
    /// A claim of another type than it must have.
    MalformedClaim = "malformed_claim", TOKEN;
    /// A claim that does not say what the provider asks for.
    ClaimNotAccepted = "claim_not_accepted", TOKEN;
    /// A token for someone else.
    Audience = "token_audience", TOKEN;
    /// A token after its time, or older than the provider accepts.
    Expired = "token_expired", TOKEN;
    /// A token before its time, or from the future.
    NotYetValid = "token_not_yet_valid", TOKEN;
    /// A token made to live longer than the provider accepts.
    Lifetime = "token_lifetime", TOKEN;
    /// A token bound to a client certificate (RFC 8705) that was not presented.
    CertificateBinding = "certificate_binding", TOKEN;
    /// A token bound to its holder in a way that is not supported.
    UnsupportedBinding = "unsupported_binding", TOKEN;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_is_its_own() {
        let reasons: HashSet<_> = Refusal::ALL.iter().map(|refusal| refusal.reason()).collect();
        assert_eq!(reasons.len(), Refusal::ALL.len());
    }
}
