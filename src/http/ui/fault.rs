//! What is wrong with a form, beside its fields and at its top.

use crate::model::FieldErrors;

/// A complaint about one field.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The field's element.
    pub id: &'static str,
    /// The complaint, as a sentence.
    pub sentence: String,
}

/// A field as rules name it, as the page names it, and as people call it.
pub type Field = (&'static str, &'static str, &'static str);

/// Complaints in the order of the fields. One about a field that the form does not have is shown
/// with the first.
pub fn faults(errors: FieldErrors, fields: &[Field]) -> Vec<Fault> {
    let mut found = Vec::new();
    for error in errors.0 {
        let place = fields.iter().position(|(rule, _, _)| *rule == error.field);
        let Some((_, id, label)) = place.or(Some(0)).and_then(|place| fields.get(place)) else {
            continue;
        };
        let subject = if place.is_some() { label } else { error.field.as_str() };
        let sentence = format!("{subject} {}.", error.message);
        found.push((place, Fault { id, sentence }));
    }
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, fault)| fault).collect()
}
