//! Who took part: the client application, the server that was asked, and the user.

use std::fmt::Write;
use std::net::IpAddr;

use super::json::{Json, cut};
use super::particulars::Particulars;
use super::{MAX_ROLE, MAX_ROLES};
use crate::audit::balp::{self, Coding};

impl Json {
    /// The agents, the user last.
    pub(super) fn agents(&mut self, told: &Particulars, parts: &balp::Parts) {
        // An identifier's system and a policy are URIs.
        let token = uri(told.token_id.as_deref());
        let subject = told.subject.as_deref().filter(|subject| !subject.is_empty());
        self.raw(",\"agent\":[{\"type\":");
        self.type_of_agent(parts.client);
        match told.client.as_deref().filter(|client| !client.is_empty()) {
            Some(client) => {
                self.text(",\"who\":{\"identifier\":{\"value\":", client);
                self.raw("}}");
            }
            None => self.raw(",\"who\":{\"display\":\"unknown\"}"),
        }
        self.raw(if subject.is_some() { ",\"requestor\":false" } else { ",\"requestor\":true" });
        if subject.is_none() {
            self.policy(token);
        }
        if let Some(source) = told.source {
            self.all(&[",\"network\":{\"address\":\"", &address(source), "\",\"type\":\"2\"}"]);
        }
        self.raw("},{\"type\":");
        self.type_of_agent(parts.server);
        match told.host.as_deref().filter(|host| !host.is_empty()) {
            Some(host) => {
                self.text(",\"who\":{\"display\":", host);
                self.0.push('}');
                self.text(",\"requestor\":false,\"network\":{\"address\":", host);
                self.raw(",\"type\":\"1\"}}");
            }
            None => self.raw(",\"who\":{\"display\":\"unknown\"},\"requestor\":false}"),
        }
        if let Some(subject) = subject {
            self.raw(",{\"type\":");
            self.type_of_agent(parts.user);
            let roles = told.roles.iter().filter(|role| !role.is_empty()).take(MAX_ROLES);
            for (index, role) in roles.clone().enumerate() {
                self.text(if index == 0 { ",\"role\":[{\"text\":" } else { "},{\"text\":" }, cut(role, MAX_ROLE));
            }
            self.raw(if roles.count() > 0 { "}]" } else { "" });
            self.raw(",\"who\":{\"identifier\":{");
            if let Some(issuer) = uri(told.issuer.as_deref()) {
                self.text("\"system\":", issuer);
                self.raw(",");
            }
            self.text("\"value\":", subject);
            self.raw("}},\"requestor\":true");
            self.policy(token);
            self.0.push('}');
        }
        self.0.push(']');
    }

    #[inline(never)]
    fn type_of_agent(&mut self, coding: Coding) {
        self.raw("{\"coding\":[");
        self.coding(coding);
        self.raw("]}");
    }

    #[inline(never)]
    fn policy(&mut self, token: Option<&str>) {
        if let Some(token) = token {
            self.text(",\"policy\":[", &format!("urn:ietf:params:oauth:jti:{token}"));
            self.0.push(']');
        }
    }
}

/// An address as text, its zeros all written.
fn address(source: IpAddr) -> String {
    let mut text = String::new();
    let _ = match source {
        IpAddr::V4(source) => source
            .octets()
            .iter()
            .enumerate()
            .try_for_each(|(index, byte)| write!(text, "{}{byte}", if index > 0 { "." } else { "" })),
        IpAddr::V6(source) => source
            .segments()
            .iter()
            .enumerate()
            .try_for_each(|(index, segment)| write!(text, "{}{segment:x}", if index > 0 { ":" } else { "" })),
    };
    text
}

/// A text that can be a URI.
fn uri(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()))
}
