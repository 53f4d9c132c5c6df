//! The resource types of FHIR R4 (4.0.1, <http://hl7.org/fhir/R4/resourcelist.html>) and sets of them.

use std::fmt;
use std::sync::LazyLock;

/// A resource type of FHIR R4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceType(u8);

impl ResourceType {
    /// The type of this name. Names are case-sensitive.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let letter = usize::from(name.bytes().next()?.checked_sub(b'A')?);
        let (from, to) = (*STARTS.get(letter)?, *STARTS.get(letter + 1)?);
        let is_it = |index: &u8| NAMES.get(usize::from(*index)).is_some_and(|own| own.len() == name.len() && *own == name);
        (from..to).find(is_it).map(Self)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// Its place among all names.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// All types, in alphabetical order of their names.
    pub fn each() -> impl Iterator<Item = Self> {
        (0..).take(NAMES.len()).map(Self)
    }

    /// All names, in alphabetical order.
    #[must_use]
    pub fn names() -> &'static [&'static str] {
        NAMES
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of resource types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypeSet([u64; 3]);

impl TypeSet {
    /// Puts a type in.
    pub fn insert(&mut self, member: ResourceType) {
        let (word, bit) = Self::place(member);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// Whether the type is in.
    #[must_use]
    pub fn contains(&self, member: ResourceType) -> bool {
        let (word, bit) = Self::place(member);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// All types.
    #[must_use]
    pub fn all() -> Self {
        (0..NAMES.len()).filter_map(|index| u8::try_from(index).ok()).map(ResourceType).collect()
    }

    /// Whether every type in `other` is in.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(own, other)| other & !own == 0)
    }

    /// Whether any type is in both.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(own, other)| own & other != 0)
    }

    /// The types that are in either.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own |= other);
        self
    }

    /// The types that are in both.
    #[must_use]
    pub fn intersection(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own &= other);
        self
    }

    /// The types that are not in `other`.
    #[must_use]
    pub fn without(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own &= !other);
        self
    }

    fn place(member: ResourceType) -> (usize, u64) {
        (usize::from(member.0 / 64), 1 << (member.0 % 64))
    }
}

impl FromIterator<ResourceType> for TypeSet {
    fn from_iter<I: IntoIterator<Item = ResourceType>>(members: I) -> Self {
        let mut set = Self::default();
        members.into_iter().for_each(|member| set.insert(member));
        set
    }
}

const NAMES: &[&str] = &[
    "Account",
    "ActivityDefinition",
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Basic",
    "Binary",
    "BiologicallyDerivedProduct",
    "BodyStructure",
    "Bundle",
    "CapabilityStatement",
    "CarePlan",
    "CareTeam",
    "CatalogEntry",
    "ChargeItem",
    "ChargeItemDefinition",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "CodeSystem",
    "Communication",
    "CommunicationRequest",
    "CompartmentDefinition",
    "Composition",
    "ConceptMap",
    "Condition",
    "Consent",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DetectedIssue",
    "Device",
    "DeviceDefinition",
    "DeviceMetric",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "EffectEvidenceSynthesis",
    "Encounter",
    "Endpoint",
    "EnrollmentRequest",
    "EnrollmentResponse",
    "EpisodeOfCare",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "GraphDefinition",
    "Group",
    "GuidanceResponse",
    "HealthcareService",
    "ImagingStudy",
    "Immunization",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "ImplementationGuide",
    "InsurancePlan",
    "Invoice",
    "Library",
    "Linkage",
    "List",
    "Location",
    "Measure",
    "MeasureReport",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationKnowledge",
    "MedicationRequest",
    "MedicationStatement",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "MessageDefinition",
    "MessageHeader",
    "MolecularSequence",
    "NamingSystem",
    "NutritionOrder",
    "Observation",
    "ObservationDefinition",
    "OperationDefinition",
    "OperationOutcome",
    "Organization",
    "OrganizationAffiliation",
    "Parameters",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Person",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "ResearchStudy",
    "ResearchSubject",
    "RiskAssessment",
    "RiskEvidenceSynthesis",
    "Schedule",
    "SearchParameter",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "Subscription",
    "Substance",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
    "SupplyDelivery",
    "SupplyRequest",
    "Task",
    "TerminologyCapabilities",
    "TestReport",
    "TestScript",
    "ValueSet",
    "VerificationResult",
    "VisionPrescription",
];

/// Where the names of each letter begin, and where those of the last one end: a reference a line needs a quick look.
static STARTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let begins = |letter: u8| NAMES.partition_point(|name| name.as_bytes().first() < Some(&letter));
    (b'A'..=b'Z' + 1).map(|letter| u8::try_from(begins(letter)).unwrap_or(u8::MAX)).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_nothing_else() {
        assert_eq!(NAMES.len(), 146);
        assert!(NAMES.iter().all(|name| ResourceType::parse(name).is_some_and(|found| found.name() == *name)));
        assert!(
            ["patient", "Patients", "", "Resource", "DomainResource"]
                .iter()
                .all(|name| ResourceType::parse(name).is_none())
        );
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let ends = ["Account", "VisionPrescription"].map(|name| ResourceType::parse(name).unwrap());
        let set: TypeSet = ends.into_iter().collect();
        let inside = NAMES.iter().filter(|name| set.contains(ResourceType::parse(name).unwrap()));
        assert_eq!(inside.count(), 2);
        assert_eq!((set.intersection(&TypeSet::all()), TypeSet::all().without(&set).union(&set)), (set, TypeSet::all()));
        assert!(TypeSet::all().covers(&set) && !set.covers(&TypeSet::all()) && set.meets(&TypeSet::all()));
        assert!(!TypeSet::all().without(&set).meets(&set));
    }
}
