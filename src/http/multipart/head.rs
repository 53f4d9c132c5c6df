//! The headers of a part: `Content-Disposition` once, `Content-Type` at most once, no others (RFC 7578 sections 4.2, 4.4
//! and 4.8).
//!
//! `form-data; name="…"`, and behind it perhaps `; filename="…"`: in that order, since some look for `name="` and find the
//! end of `filename="`; in no other spelling; with no parameter beside them, so not in the extended notation (`filename*`).
//! Values are quoted or plain words. Browsers write `%22` for a quote, RFC 2616 `\"`, and each is something else to some
//! reader: so escapes of all kinds are refused, and so is `;`, at which some split whatever is quoted.

use super::Fault;
use crate::http::{JsonLayout, MediaType};

/// The longest names of a field and of a file, in bytes.
const MAX_NAME: usize = 128;
const MAX_FILE_NAME: usize = 255;

/// A field by which some servers are told the charset of all others (RFC 7578 section 4.6).
const CHARSET_FIELD: &str = "_charset_";

/// What the headers of a part say.
pub(super) struct Head<'b> {
    pub(super) name: &'b str,
    pub(super) file_name: Option<&'b str>,
    pub(super) media_type: &'b str,
    pub(super) json: Option<JsonLayout>,
}

/// Reads the lines between a delimiter and the empty line.
pub(super) fn read(lines: &[u8]) -> Result<Head<'_>, Fault> {
    let lines = std::str::from_utf8(lines).map_err(|_| Fault::Header)?;
    let (mut disposition, mut content_type) = (None, None);
    for line in lines.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(Fault::Header)?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_name || value.chars().any(char::is_control) {
            return Err(Fault::Header);
        }
        let header = match name {
            _ if name.eq_ignore_ascii_case("content-disposition") => &mut disposition,
            _ if name.eq_ignore_ascii_case("content-type") => &mut content_type,
            _ => return Err(Fault::OtherHeader),
        };
        if header.replace(value.trim_matches(' ')).is_some() {
            return Err(Fault::RepeatedHeader);
        }
    }
    let (name, file_name) = read_disposition(disposition.ok_or(Fault::Disposition)?)?;
    let (media_type, json) = content_type.map_or(Ok(("text/plain", None)), read_type)?;
    Ok(Head { name, file_name, media_type, json })
}

fn read_disposition(text: &str) -> Result<(&str, Option<&str>), Fault> {
    let rest = text.strip_prefix("form-data").ok_or(Fault::Disposition)?;
    let (name, rest) = read_parameter(rest, "name=")?;
    let file = if rest.is_empty() { None } else { Some(read_parameter(rest, "filename=")?) };
    if !is_name(name) {
        return Err(Fault::Name);
    }
    match file {
        None => Ok((name, None)),
        Some((file_name, "")) if is_file_name(file_name) => Ok((name, Some(file_name))),
        Some((_, "")) => Err(Fault::FileName),
        Some(_) => Err(Fault::Disposition),
    }
}

/// The value of the parameter that has to come next, and what is left behind it.
fn read_parameter<'t>(text: &'t str, name: &str) -> Result<(&'t str, &'t str), Fault> {
    let text = text.strip_prefix(';').map(|text| text.trim_start_matches(' ')).ok_or(Fault::Disposition)?;
    let value = text.strip_prefix(name).ok_or(Fault::Disposition)?;
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or(Fault::Disposition),
        // No `'`: to some it is a quote.
        None => {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            let length = value.find(|c| !is_plain(c)).unwrap_or(value.len());
            value.split_at_checked(length).ok_or(Fault::Disposition)
        }
    }
}

fn is_name(name: &str) -> bool {
    is_plain(name) && name.len() <= MAX_NAME && !name.eq_ignore_ascii_case(CHARSET_FIELD)
}

/// Whether it names a file and no place: no directory, no drive, no stream, and no end that some systems cut.
fn is_file_name(name: &str) -> bool {
    let is_place = name.contains(['/', ':']) || name.ends_with('.') || name.trim_matches('.').is_empty();
    is_plain(name) && name.len() <= MAX_FILE_NAME && !is_place
}

/// Whether a text has one reading: no escapes, nothing that ends a value early, nothing that is cut or hidden.
fn is_plain(text: &str) -> bool {
    let is_percent_escape = |at: &[u8]| matches!(at, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    // RFC 2047 has words in another charset begin so.
    let is_escaped = text.contains('\\') || text.contains("=?") || text.as_bytes().windows(3).any(is_percent_escape);
    // Marks that turn the order of what is shown, or show nothing.
    let is_hidden =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    !text.is_empty() && text.trim() == text && !is_escaped && !text.contains(';') && !text.chars().any(is_hidden)
}

/// Quotes are refused: a charset of UTF-8 needs none, and no boundary has to stand here.
fn read_type(text: &str) -> Result<(&str, Option<JsonLayout>), Fault> {
    let media_type = MediaType::parse(text.as_bytes()).map_err(|_| Fault::ContentType)?;
    let has_parts = ["multipart/", "message/"].iter().any(|parts| media_type.essence().starts_with(parts));
    let is_utf_8 = media_type.parameter("charset").is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"));
    if has_parts || !is_utf_8 || text.contains('"') {
        return Err(Fault::ContentType);
    }
    Ok((text.split([';', ' ']).next().unwrap_or_default(), media_type.json()))
}
