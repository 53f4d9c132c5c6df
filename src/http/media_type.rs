//! Media types (RFC 9110 section 8.3.1), read strictly.
//!
//! What stands in `Content-Type` decides whether a body is looked into, so a value that two readers could read in two
//! ways is refused: text outside the grammar, a list, a repeated parameter. A repeated header is for the caller to
//! refuse ([`super::Headers::single`]). JSON is UTF-8 (RFC 8259 section 8.1): another `charset` makes it no JSON.

/// A media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
}

/// What stands there is no media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaTypeError;

/// How a body in JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonLayout {
    /// One value.
    Document,
    /// One value a line (`application/fhir+ndjson`).
    Lines,
}

impl MediaType {
    /// Reads the value of `Content-Type`.
    pub fn parse(raw: &[u8]) -> Result<Self, MediaTypeError> {
        let text = std::str::from_utf8(raw).map_err(|_| MediaTypeError)?.trim_matches([' ', '\t']);
        let (essence, mut rest) = split_token(text, |byte| byte == b'/' || is_token(byte));
        let (kind, subtype) = essence.split_once('/').ok_or(MediaTypeError)?;
        if kind.is_empty() || subtype.is_empty() || subtype.contains('/') {
            return Err(MediaTypeError);
        }
        let mut media_type = Self { essence: essence.to_ascii_lowercase(), parameters: Vec::new() };
        while let Some(parameter) = next_parameter(&mut rest)? {
            if media_type.parameter(&parameter.0).is_some() {
                return Err(MediaTypeError);
            }
            media_type.parameters.push(parameter);
        }
        Ok(media_type)
    }

    /// Type and subtype, in lower case.
    #[must_use]
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The parameter of this name, which is in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The parameter of this name, which is in lower case, where no other stands beside it.
    #[must_use]
    pub fn only_parameter(&self, name: &str) -> Option<&str> {
        self.parameter(name).filter(|_| self.parameters.len() == 1)
    }

    /// How to read the body as JSON; `None` when it is something else.
    #[must_use]
    pub fn json(&self) -> Option<JsonLayout> {
        if !self.parameter("charset").is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8")) {
            return None;
        }
        let subtype = self.essence.strip_prefix("application/")?;
        match subtype.strip_suffix("+json") {
            _ if subtype == "json" => Some(JsonLayout::Document),
            _ if subtype == "fhir+ndjson" => Some(JsonLayout::Lines),
            Some(prefix) if !prefix.is_empty() => Some(JsonLayout::Document),
            _ => None,
        }
    }

    /// Whether it is a form of name and value pairs.
    #[must_use]
    pub fn is_form(&self) -> bool {
        self.essence == "application/x-www-form-urlencoded"
            && self.parameter("charset").is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
    }
}

/// Takes `; name=value` off the front; `None` at the end. Empty parameters (`;;`) are allowed, as RFC 9110 does.
fn next_parameter(rest: &mut &str) -> Result<Option<(String, String)>, MediaTypeError> {
    loop {
        let text = rest.trim_start_matches([' ', '\t']);
        if text.is_empty() {
            return Ok(None);
        }
        let text = text.strip_prefix(';').ok_or(MediaTypeError)?.trim_start_matches([' ', '\t']);
        let (name, after) = split_token(text, is_token);
        if name.is_empty() {
            *rest = text;
            continue;
        }
        let text = after.strip_prefix('=').ok_or(MediaTypeError)?;
        let (value, after) = match text.strip_prefix('"') {
            Some(quoted) => read_quoted(quoted)?,
            None => {
                let (value, after) = split_token(text, is_token);
                (value.to_owned(), after)
            }
        };
        if value.is_empty() {
            return Err(MediaTypeError);
        }
        *rest = after;
        return Ok(Some((name.to_ascii_lowercase(), value)));
    }
}

/// Reads up to the closing quote.
fn read_quoted(text: &str) -> Result<(String, &str), MediaTypeError> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().ok_or(MediaTypeError)? {
            '"' => return Ok((value, chars.as_str())),
            '\\' => value.push(chars.next().filter(|c| !c.is_control()).ok_or(MediaTypeError)?),
            control if control.is_control() && control != '\t' => return Err(MediaTypeError),
            other => value.push(other),
        }
    }
}

fn split_token(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    let length = text.bytes().take_while(|byte| belongs(*byte)).count();
    text.split_at_checked(length).unwrap_or((text, ""))
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str) -> Result<Option<JsonLayout>, MediaTypeError> {
        MediaType::parse(text.as_bytes()).map(|media_type| media_type.json())
    }

    #[test]
    fn the_json_family_is_known() {
        for json in [
            "application/json",
            " Application/FHIR+JSON ;charset=UTF-8",
            "application/vnd.x+json; charset=\"utf-8\"; fhirVersion=4.0",
            "application/json-patch+json;;",
        ] {
            assert_eq!(layout(json), Ok(Some(JsonLayout::Document)), "{json}");
        }
        assert_eq!(layout("application/fhir+ndjson"), Ok(Some(JsonLayout::Lines)));
        for other in [
            "text/json",
            "application/+json",
            "application/jsonx",
            "application/xml",
            "application/ndjson",
            "text/plain",
            "application/json; charset=utf-16",
            "application/json; charset=\"utf-7\"",
            "application/json-seq",
        ] {
            assert_eq!(layout(other), Ok(None), "{other}");
        }
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for refused in [
            "",
            "application",
            "application/",
            "/json",
            "a/b/c",
            "application/json, text/html",
            "application/json text/html",
            "application/json; charset",
            "application/json; charset=",
            "application/json; charset =utf-8",
            "application/json; charset=utf-8; CHARSET=utf-16",
            "application/json; a=\"b",
            "application/json; a=\"b\"c",
            "application/json\0",
            "application/jsön",
            "application/json\n",
            "application /json",
            "application/json; a=\"\"",
        ] {
            assert_eq!(layout(refused), Err(MediaTypeError), "{refused:?}");
        }
        assert_eq!(MediaType::parse(b"application/json; a=\xff"), Err(MediaTypeError));
    }

    #[test]
    fn a_quoted_value_is_unescaped() {
        let media_type = MediaType::parse(br#"multipart/x; a="b\"c"; d=e"#).unwrap();
        assert_eq!((media_type.parameter("a"), media_type.parameter("d")), (Some("b\"c"), Some("e")));
    }
}
