//! Callers that a policy's tests state instead of proving: what a provider would have made of them.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::jwt::Mapping;
use super::{Kind, Principal, Providers};

/// A caller as a test states it.
#[derive(Clone, Debug, Default)]
pub struct StandIn {
    /// The provider that is taken to have vouched.
    pub provider: String,
    /// The roles conferred.
    pub roles: Vec<String>,
    /// The claims of the token.
    pub claims: Map<String, Value>,
    /// The client; for a token the claims say it when absent.
    pub client: Option<String>,
    /// The user; for a token the claims say it when absent.
    pub subject: Option<String>,
}

/// Why no provider could have vouched for a stand-in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StandInError {
    /// No provider has this name.
    #[error("no provider is named `{0}`")]
    Provider(String),
    /// The provider would have ignored this role.
    #[error(
        "`{provider}` cannot confer the role `{role}`: its `accept_roles`, or its `roles` where it has those, lacks it"
    )]
    Role {
        /// The provider.
        provider: String,
        /// The role.
        role: String,
    },
    /// The provider would have refused these claims.
    #[error(
        "`{0}` would refuse these claims: the roles, client, patient, `sub` or a claim for a header are of a wrong type"
    )]
    Claims(String),
}

impl Providers {
    /// The caller that a test states, with the claims mapped as the provider maps those of a token.
    pub fn stand_in(&self, stated: &StandIn) -> Result<Rc<Principal>, StandInError> {
        let StandIn { provider: name, roles, claims, client, subject } = stated;
        let provider = self.list.iter().find(|provider| *provider.name == **name);
        let provider = provider.ok_or_else(|| StandInError::Provider(name.clone()))?;
        let rules = match &provider.kind {
            Kind::Jwt(jwt) => Some(&jwt.claims),
            Kind::Introspection(introspection) => Some(&introspection.claims),
            Kind::ApiKey(_) | Kind::Mtls(_) => None,
        };
        let mapped = rules.map_or(Ok(Mapping::default()), |rules| rules.map(claims));
        let mapped = mapped.map_err(|_| StandInError::Claims(name.clone()))?;
        let confers = |role: &&String| match &provider.kind {
            Kind::Jwt(jwt) => jwt.claims.confers(role),
            Kind::Introspection(introspection) => introspection.claims.confers(role),
            Kind::ApiKey(keys) => keys.confers(role),
            Kind::Mtls(certificates) => certificates.confers(role),
        };
        if let Some(role) = roles.iter().find(|role| !confers(role)) {
            return Err(StandInError::Role { provider: name.clone(), role: role.clone() });
        }
        let stated = |text: &Option<String>| text.as_deref().map(Rc::from);
        let mut principal = Principal {
            providers: vec![Rc::clone(&provider.name)],
            client: stated(client).or(mapped.client),
            key_id: None,
            subject: stated(subject).or(mapped.subject),
            patient: mapped.patient,
            roles: mapped.roles,
            claims: claims.clone(),
        };
        principal.add_roles(roles.iter().map(|role| Rc::from(role.as_str())));
        Ok(Rc::new(principal))
    }
}
