//! XHTML narratives, held to what FHIR permits: <http://hl7.org/fhir/R4/narrative.html#xhtml> and its rule `txt-1`.
//!
//! A narrative is shown in browsers by whoever reads the resource next. One pass over it, in the terms of an HTML parser:
//! what it could take for markup has to be an element of the list, with attributes of the list, in quotes. No element of
//! the list runs anything, so that what is left are addresses and styles: an address is relative, of the web, of mail or
//! telephone, or an image that is written out; a style loads and computes nothing. Comments have to end where every
//! parser ends them. Whether elements are closed in order is not judged: no reader comes to harm by it.

/// What can be wrong with a narrative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An element that FHIR does not permit.
    Element,
    /// An attribute that FHIR does not permit.
    Attribute,
    /// A link or an image with an address that could run something.
    Address,
    /// A style that loads or computes something.
    Style,
    /// Markup that readers could take for something else: without quotes, unfinished, a declaration.
    Markup,
}

/// What is wrong with a narrative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(u8);

impl Faults {
    /// Whether this is.
    #[must_use]
    pub fn contains(self, fault: Fault) -> bool {
        self.0 & 1 << fault as u8 != 0
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn add(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u8;
    }
}

impl Fault {
    /// The fault that rules call so.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "element" => Self::Element,
            "attribute" => Self::Attribute,
            "address" => Self::Address,
            "style" => Self::Style,
            "markup" => Self::Markup,
            _ => return None,
        })
    }
}

/// In the order of their names.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];

/// In the order of their names.
const ATTRIBUTES: &[&str] = &[
    "abbr",
    "accesskey",
    "align",
    "alt",
    "axis",
    "bgcolor",
    "border",
    "cellhalign",
    "cellpadding",
    "cellspacing",
    "cellvalign",
    "char",
    "charoff",
    "charset",
    "cite",
    "class",
    "colspan",
    "compact",
    "coords",
    "dir",
    "frame",
    "headers",
    "height",
    "href",
    "hreflang",
    "hspace",
    "id",
    "lang",
    "longdesc",
    "name",
    "nowrap",
    "rel",
    "rev",
    "rowspan",
    "rules",
    "scope",
    "shape",
    "span",
    "src",
    "start",
    "style",
    "summary",
    "tabindex",
    "title",
    "type",
    "valign",
    "value",
    "vspace",
    "width",
    "xml:lang",
    "xml:space",
    "xmlns",
];

/// Attributes that hold an address.
const ADDRESSES: &[&str] = &["cite", "href", "longdesc", "src"];

/// What an address may begin with, if it names a scheme.
const SCHEMES: &[&str] = &["http:", "https:", "ftp:", "mailto:", "tel:", "urn:", "cid:"];

/// Images that are written out. SVG can hold script.
const IMAGES: &[&str] =
    &["data:image/png", "data:image/jpeg", "data:image/jpg", "data:image/gif", "data:image/webp", "data:image/bmp"];

/// What no style may hold. A backslash begins an escape, which could write any of the others.
const ACTIVE_STYLE: &[&str] = &[
    "expression",
    "script",
    "behavior",
    "behaviour",
    "binding",
    "import",
    "url (",
    "image(",
    "image-set",
    "src(",
    "@",
    "\\",
    "/*",
    "<",
];

/// The only namespace of narratives.
const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// Looks for what is wrong with a narrative.
#[must_use]
pub fn faults(text: &str) -> Faults {
    let mut faults = Faults::default();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once('<') {
        rest = match behind.as_bytes().first() {
            Some(b'!') => comment(behind, &mut faults),
            Some(b'?') | Some(b'%') => {
                faults.add(Fault::Markup);
                behind
            }
            Some(b'/') => end_tag(behind, &mut faults),
            Some(byte) if byte.is_ascii_alphabetic() => start_tag(behind, &mut faults),
            // Text, to every parser; a NUL was passed over by some.
            Some(0) => {
                faults.add(Fault::Markup);
                behind
            }
            _ => behind,
        };
    }
    faults
}

/// Reads from `!--` on.
fn comment<'t>(text: &'t str, faults: &mut Faults) -> &'t str {
    let read = text.strip_prefix("!--").and_then(|inside| {
        let (inside, rest) = inside.split_once("--")?;
        let is_plain = !inside.starts_with('>') && !inside.starts_with("->") && !inside.contains(['<', '`', '[']);
        Some((is_plain, rest.strip_prefix('>')?))
    });
    match read {
        Some((is_plain, rest)) => {
            if !is_plain {
                faults.add(Fault::Markup);
            }
            rest
        }
        None => {
            faults.add(Fault::Markup);
            text
        }
    }
}

/// Reads from `/` on.
fn end_tag<'t>(text: &'t str, faults: &mut Faults) -> &'t str {
    let name = text.get(1..).unwrap_or_default();
    let (name, rest) = split_name(name);
    check_element(name, faults);
    match rest.trim_ascii_start().strip_prefix('>') {
        Some(rest) => rest,
        None => {
            faults.add(Fault::Markup);
            rest
        }
    }
}

/// Reads from an element's name on.
fn start_tag<'t>(text: &'t str, faults: &mut Faults) -> &'t str {
    let (name, mut rest) = split_name(text);
    check_element(name, faults);
    loop {
        let behind = rest.trim_ascii_start();
        if let Some(behind) = behind.strip_prefix("/>").or_else(|| behind.strip_prefix('>')) {
            return behind;
        }
        let (name, after) = split_name(behind);
        // An attribute stands behind white space.
        if name.is_empty() || behind.len() == rest.len() {
            faults.add(Fault::Markup);
            return after;
        }
        match attribute_value(after) {
            Some((value, after)) => {
                check_attribute(name, value, faults);
                rest = after;
            }
            None => {
                faults.add(Fault::Markup);
                return after;
            }
        }
    }
}

/// The value of an attribute, and what stands behind it.
fn attribute_value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_ascii_start().strip_prefix('=')?.trim_ascii_start();
    let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    text.get(1..)?.split_once(quote)
}

fn split_name(text: &str) -> (&str, &str) {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let length = text.bytes().take_while(|byte| is_name(*byte)).count();
    text.split_at_checked(length).unwrap_or((text, ""))
}

fn check_element(name: &str, faults: &mut Faults) {
    if ELEMENTS.binary_search(&name.to_ascii_lowercase().as_str()).is_err() {
        faults.add(Fault::Element);
    }
}

fn check_attribute(name: &str, value: &str, faults: &mut Faults) {
    let name = name.to_ascii_lowercase();
    let name = name.as_str();
    if ATTRIBUTES.binary_search(&name).is_err() || name == "xmlns" && value != XHTML {
        faults.add(Fault::Attribute);
    }
    if value.contains('<') {
        faults.add(Fault::Markup);
    }
    if ADDRESSES.contains(&name) && !is_harmless_address(&meant(value)) {
        faults.add(Fault::Address);
    }
    if name == "style" {
        let style = meant(value);
        if ACTIVE_STYLE.iter().any(|active| style.contains(active)) || !style.split("url(").skip(1).all(is_own_image) {
            faults.add(Fault::Style);
        }
    }
}

/// A value as a browser reads it: entities mean characters, and in addresses it passes over controls and white space.
fn meant(value: &str) -> String {
    let decoded = super::transform::Transform::HtmlEntities.apply(value.as_bytes());
    let text = String::from_utf8_lossy(&decoded).to_ascii_lowercase();
    text.chars()
        .filter(|character| !character.is_control() && !matches!(character, '\u{200b}'..='\u{200d}' | '\u{feff}'))
        .collect()
}

fn is_harmless_address(address: &str) -> bool {
    let address = address.trim_start();
    // A scheme ends at the first colon, unless what stands before it can be no scheme (RFC 3986 section 4.2).
    let scheme = address.split(['/', '?', '#']).next().unwrap_or_default();
    let names_scheme = scheme.contains([':', '&', '%', '\\']);
    let is_known = |address: &str, known: &[&str]| known.iter().any(|known| address.starts_with(known));
    // Browsers pass over spaces around a media type.
    !names_scheme || is_known(address, SCHEMES) || is_known(&address.replace(' ', ""), IMAGES)
}

/// Whether what stands behind `url(` in a style is an image that is written out, or one of the page's own site: any other
/// would tell a stranger that the narrative is read.
fn is_own_image(rest: &str) -> bool {
    let Some((address, _)) = rest.split_once(')') else { return false };
    let address = address.trim().trim_matches(['"', '\'']).trim();
    let is_elsewhere =
        address.starts_with(['/', '\\']) && address.get(1..).is_some_and(|rest| rest.starts_with(['/', '\\']));
    !is_elsewhere && !SCHEMES.iter().any(|scheme| address.starts_with(scheme)) && is_harmless_address(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_in_order() {
        assert!(ELEMENTS.is_sorted() && ATTRIBUTES.is_sorted());
    }

    #[test]
    fn what_fhir_permits_passes() {
        for text in [
            r#"<div xmlns="http://www.w3.org/1999/xhtml"><p>Peter <b>James</b> O'Brien &lt;peter@x.example&gt;</p></div>"#,
            r#"<div xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">BP &lt; 120, p < 0.05 <br/><hr /></div>"#,
            r##"<div><a href="#note1">1</a> <a href="Patient/1">x</a> <a name="a">y</a> <img src='data:image/png;base64,AA==' alt="a > b"/></div>"##,
            r#"<div><table class="grid" border="1"><tr style="background: #eee; color: red"><td colspan="2">x</td></tr></table></div>"#,
            r#"<div><!-- generated by a script --><a href="https://x.example/a:b?c=d&amp;e">on call</a></div>"#,
            r#"<div><a href="MAILTO:a@x.example">mail</a><a href="tel:+1-555">call</a></div>"#,
            r#"<div><td style="background: url(tbl_bck1.png); color: red"><img src="data: image/png;base64,AA=="/></td></div>"#,
            r#"<div><td style="background: url('data:image/png;base64,AA==')">x</td></div>"#,
            "plain text, no element at all",
        ] {
            assert_eq!(faults(text), Faults::default(), "{text}");
        }
    }

    #[test]
    fn what_could_run_is_found() {
        for (text, fault) in [
            ("<div><script>alert(1)</script></div>", Fault::Element),
            ("<div><SCRIPT/x>alert(1)</div>", Fault::Element),
            ("<div><svg/onload=alert(1)></div>", Fault::Element),
            ("<div><iframe src='http://x'></iframe></div>", Fault::Element),
            ("<div><form action='/x'><input name='p'/></form></div>", Fault::Element),
            ("<div><style>p{}</style></div>", Fault::Element),
            ("<div><x:script>1</x:script></div>", Fault::Element),
            ("<div><p onclick='x()'>1</p></div>", Fault::Attribute),
            ("<div><img src='x' onerror='x()'/></div>", Fault::Attribute),
            ("<div xmlns='http://www.w3.org/2000/svg'>1</div>", Fault::Attribute),
            ("<div><a href='javascript:x()'>1</a></div>", Fault::Address),
            ("<div><a href=' java&#x0A;script&colon;x()'>1</a></div>", Fault::Address),
            ("<div><a href='&#106;avascript:x()'>1</a></div>", Fault::Address),
            ("<div><a href='\u{1}javascript:x()'>1</a></div>", Fault::Address),
            ("<div><a href='data:text/html,x'>1</a></div>", Fault::Address),
            ("<div><img src='data:image/svg+xml;base64,AA=='/></div>", Fault::Address),
            ("<div><a href='vbscript:x'>1</a></div>", Fault::Address),
            ("<div><p style='width: expression(x())'>1</p></div>", Fault::Style),
            ("<div><p style='background: url(http://x.example/track)'>1</p></div>", Fault::Style),
            ("<div><p style='background: url(//x.example/track)'>1</p></div>", Fault::Style),
            ("<div><p style='background: url(tbl.png) , url(https://x.example/track)'>1</p></div>", Fault::Style),
            ("<div><p style='background: url(javascript:x())'>1</p></div>", Fault::Style),
            ("<div><p style='background: url(data:text/html,x)'>1</p></div>", Fault::Style),
            ("<div><p style='background: url(tbl.png'>1</p></div>", Fault::Style),
            ("<div><p style='width: e\\78pression(x())'>1</p></div>", Fault::Style),
            ("<div><p title=x>1</p></div>", Fault::Markup),
            ("<div><p title='<script>'>1</p></div>", Fault::Markup),
            ("<div><p title='x", Fault::Markup),
            ("<div><![CDATA[<script>]]></div>", Fault::Markup),
            ("<!DOCTYPE html><div>1</div>", Fault::Markup),
            ("<?xml version='1.0'?><div>1</div>", Fault::Markup),
            ("<div><!--><script>x()</script>--></div>", Fault::Markup),
            ("<div><!-- [if IE]> x <![endif]--></div>", Fault::Markup),
            ("<div><p\"onclick='x'>1</p></div>", Fault::Markup),
        ] {
            assert!(faults(text).contains(fault), "{fault:?} {text} {:?}", faults(text));
        }
    }
}
