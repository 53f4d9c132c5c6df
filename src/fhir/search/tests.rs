use super::*;

fn read(raw: &str) -> Result<Parameters, FhirError> {
    let mut parameters = Parameters::default();
    parameters.read(raw.as_bytes(), Allowed::Any).map(|()| parameters)
}

#[test]
fn a_feature_is_found_in_every_spelling() {
    for (raw, features) in [
        ("_include=Observation:subject", &[Feature::Include][..]),
        ("%5Finclude=Observation:subject", &[Feature::Include]),
        ("_%69nclude:iterate=Patient:organization:Organization", &[Feature::Include]),
        ("_include%3Aiterate=*", &[Feature::Include]),
        ("name=x&&_revinclude=Provenance:target", &[Feature::RevInclude]),
        ("_has:Observation:patient:code=1", &[Feature::Has]),
        ("_has:Observation:patient:_has:AuditEvent:entity:agent=1", &[Feature::Has]),
        ("subject:Patient._has:Group:member:_id=1", &[Feature::Has, Feature::Chained]),
        ("subject.name=x", &[Feature::Chained]),
        ("subject:Patient%2Ename=x", &[Feature::Chained]),
        ("_sort=-subject.name", &[Feature::Chained]),
        ("_filter=name+eq+%22a.b%22", &[Feature::Filter]),
        ("_filter=value+gt+5.4", &[Feature::Filter]),
        ("_filter=subject.name+eq+x", &[Feature::Filter, Feature::Chained]),
        ("_filter=related[type+eq+x].target+pr+true", &[Feature::Filter, Feature::Chained]),
        ("_query=name", &[Feature::Query]),
        ("name=_include&subject:Patient=1&_lastUpdated=gt2020&code:not=http://a.b|c&_id=a.b", &[]),
        ("_format=json&_format=application/fhir+json&_format=application%2Ffhir%2Bjson%3B%20fhirVersion=4.0", &[]),
    ] {
        assert_eq!(read(raw).unwrap().features, Features::of(features), "{raw}");
    }
}

#[test]
fn what_a_server_could_read_otherwise_is_refused() {
    for (raw, error) in [
        ("_INCLUDE=Observation:subject", FhirError::Parameter),
        ("_Type=Patient", FhirError::Parameter),
        ("subject:Patient._HAS:Group:member:_id=1", FhirError::Parameter),
        ("_include[]=Observation:subject", FhirError::Parameter),
        ("+_include=Observation:subject", FhirError::Parameter),
        ("_include%20=Observation:subject", FhirError::Parameter),
        ("%255Finclude=Observation:subject", FhirError::Parameter),
        ("name=x;_include=Observation:subject", FhirError::Parameter),
        ("_include%00=Observation:subject", FhirError::Parameter),
        ("_include", FhirError::UnknownType),
        ("_include=observation:subject", FhirError::UnknownType),
        ("_include=Observation:subject:patient", FhirError::UnknownType),
        ("_include=Observation:subject:Patient:x", FhirError::Parameter),
        ("_has=1", FhirError::Parameter),
        ("_has:Observation:patient=1", FhirError::Parameter),
        ("_has:Observation:patient:_has=1", FhirError::Parameter),
        ("_has:observation:patient:code=1", FhirError::UnknownType),
        ("subject:patient.name=1", FhirError::UnknownType),
        ("a..b=1", FhirError::Parameter),
        ("a.=1", FhirError::Parameter),
        ("_type=", FhirError::UnknownType),
        ("_type=Patient,patient", FhirError::UnknownType),
        ("_type:not=Patient", FhirError::Parameter),
        ("_format=xml", FhirError::NotJson),
        ("_format=json&_format=html", FhirError::NotJson),
        ("_filter=name+eq+%22a", FhirError::Parameter),
        ("a=%zz", FhirError::Parameter),
    ] {
        assert_eq!(read(raw).err(), Some(error), "{raw}");
    }
}

#[test]
fn the_types_reached_are_those_named_or_any() {
    let reached = |raw| {
        let touched = read(raw).unwrap().touched;
        let named = ResourceType::names().iter().filter(|name| touched.types.contains(ResourceType::parse(name).unwrap()));
        (named.copied().collect::<Vec<_>>().join(","), touched.any, touched.open)
    };
    let expect = |named: &str, any, open| (named.to_owned(), any, open);
    assert_eq!(reached("_include=Observation:subject:Patient"), expect("Observation,Patient", false, false));
    assert_eq!(reached("_include=Observation:subject"), expect("Observation", false, true));
    assert_eq!(reached("_include=*"), expect("", false, true));
    assert_eq!(reached("_revinclude=Provenance:target"), expect("Provenance", false, false));
    assert_eq!(reached("_revinclude=Provenance:*"), expect("Provenance", false, true));
    assert_eq!(reached("_has:Observation:patient:code=1"), expect("Observation", false, false));
    assert_eq!(reached("subject:Patient.organization:Organization.name=1"), expect("Organization,Patient", false, false));
    assert_eq!(reached("subject:Patient.organization.name=1"), expect("Patient", true, false));
    assert_eq!(reached("subject:Patient._has:Group:member:_id=1"), expect("", true, false));
    assert_eq!(reached("_filter=subject.name+eq+x"), expect("", true, false));
    assert_eq!(reached("_type=Patient,Coverage"), expect("Coverage,Patient", false, false));
    assert_eq!(reached("_query=x"), expect("", false, true));
    assert_eq!(reached("subject:Patient=1"), expect("", false, false));
}

#[test]
fn only_general_parameters_go_with_one_resource() {
    let mut parameters = Parameters::default();
    assert_eq!(parameters.read(b"_format=json&_pretty=true&_summary=true&_elements=id", Allowed::General), Ok(()));
    assert_eq!(parameters.read(b"_cascade=delete", Allowed::General), Err(FhirError::UnexpectedParameter));
}

#[test]
fn a_parameter_asks_in_the_form_in_which_it_is_granted() {
    let asked = |raw| read(raw).unwrap().asked.into_iter().map(String::from).collect::<Vec<_>>().join(" ");
    for (raw, forms) in [
        ("identifier=a,b&%69dentifier=c", "identifier"),
        ("name:exact=x&name=y", "name name:exact"),
        ("subject:Patient=1&subject:identifier=x", "subject subject:identifier"),
        ("subject:Patient.organization.name:exact=x", "subject.organization.name:exact"),
        ("subject:Patient._has:Group:member:_id=1", "subject._has:Group:member:_id"),
        ("_has:Observation:patient:subject:Patient.name=x", "_has:Observation:patient:subject:Patient.name"),
        ("_include=Patient:organization&_revinclude:iterate=Provenance:target", "_include _revinclude"),
        ("_sort=-birthdate,subject:Patient.name,_id", "_id birthdate subject.name"),
        ("_sort:desc=name", "name"),
        ("_format=json&_pretty=true&_count=10&_type=Patient", ""),
        ("_count=0", "_summary"),
        ("_count=00&_count=20", "_summary"),
        ("_count=-1", "_summary"),
        ("_count=0.0", "_summary"),
        ("_count:x=1", "_summary"),
        ("_pretty:x=1", "_pretty:x"),
        ("_summary=count&_elements=name&_total=none", "_elements _summary _total"),
    ] {
        assert_eq!(asked(raw), forms, "{raw}");
    }
    assert_eq!(asked_form("subject:Patient.name").as_deref(), Some("subject.name"));
    assert_eq!(asked_form("_INCLUDE"), None);
    assert_eq!(asked_form(""), None);
}
