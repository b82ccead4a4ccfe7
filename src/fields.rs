//! What `[[field]]` would write for calls as they happen, to be held against the fields of the CRM.
//!
//! Only placeholders whose form is known make examples: what a caller is called, or what a channel
//! variable holds, nobody knows before the call.

use crate::call::{EndedBy, Field, FieldTarget, Outcome};
use crate::config::{Config, FieldMapping, Finding};
use crate::crm::{Crm, CrmError, FieldCheck, FieldProblem};

/// Asks the CRM which `[[field]]` cannot be written as it is; told like mistakes in the file, with their lines.
///
/// # Errors
/// When the fields of the CRM cannot be read.
pub async fn check(config: &Config, crm: &Crm) -> Result<Vec<Finding>, CrmError> {
    let fields = fields_to_check(config);
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<FieldCheck> = fields
        .iter()
        .map(|field| FieldCheck { target: field.target.clone(), examples: field.examples.clone() })
        .collect();
    let problems = crm.check_fields(&asked).await?;
    let told = |(field, problems): (&FieldToCheck<'_>, Vec<FieldProblem>)| -> Vec<Finding> {
        problems.into_iter().map(|problem| field.mapping.finding(problem.to_string())).collect()
    };
    Ok(fields.iter().zip(problems).flat_map(told).collect())
}

/// A `[[field]]` that can be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldToCheck<'c> {
    /// Where it is written.
    pub target: FieldTarget,
    /// What would be written, each text once; none where the form of a placeholder is not known.
    pub examples: Vec<String>,
    /// The table in the file; [`FieldMapping::finding`] tells a mistake with its line.
    pub mapping: &'c FieldMapping,
}

/// Each `[[field]]` of the config, in order.
pub fn fields_to_check(config: &Config) -> Vec<FieldToCheck<'_>> {
    let ends = ends(config);
    let checked = |mapping: &'_ FieldMapping| {
        let known = mapping.value.fields().all(|field| example(field, &ends[0]).is_some());
        let mut examples: Vec<String> = Vec::new();
        for end in ends.iter().filter(|_| known) {
            let text = mapping.value.render_line(|field| example(&field, end));
            examples.extend(text.filter(|text| !examples.contains(text)));
        }
        examples
    };
    let check = |mapping| FieldToCheck {
        target: FieldMapping::clone(mapping).target,
        examples: checked(mapping),
        mapping,
    };
    config.fields.iter().map(check).collect()
}

type End = (Outcome, EndedBy);

/// How the calls end that get a ticket.
fn ends(config: &Config) -> Vec<End> {
    let abandoned = config.groups.iter().any(|group| group.ticket.on_abandoned);
    let voicemail = config.groups.iter().any(|group| group.ticket.on_voicemail);
    let mut ends = vec![
        (Outcome::Answered, EndedBy::Caller),
        (Outcome::Answered, EndedBy::Called),
        (Outcome::Answered, EndedBy::Pbx),
    ];
    if abandoned {
        ends.push((Outcome::Abandoned, EndedBy::Caller));
        ends.push((Outcome::Unanswered, EndedBy::Pbx));
        ends.push((Outcome::Busy, EndedBy::Called));
    }
    if voicemail {
        ends.push((Outcome::Voicemail, EndedBy::Caller));
    }
    ends
}

/// The placeholder's value for such a call; `None` where nobody can know its form.
fn example(field: &Field, (outcome, by): &End) -> Option<String> {
    Some(match field {
        Field::CallerNumber | Field::Number => "+493023125111".to_owned(),
        Field::ContactId => "9007199254740993".to_owned(),
        Field::Direction => "inbound".to_owned(),
        Field::AgentEmail => "anna.weber@example.com".to_owned(),
        Field::Started => "2026-11-26 09:14:03 UTC".to_owned(),
        Field::Answered => "2026-11-26 09:15:33 UTC".to_owned(),
        Field::Ended => "2026-11-26 09:18:58 UTC".to_owned(),
        Field::Waiting => "00:01:30".to_owned(),
        Field::WaitingSeconds => "90".to_owned(),
        Field::Duration => "00:03:25".to_owned(),
        Field::DurationSeconds => "205".to_owned(),
        Field::Outcome => outcome.as_str().to_owned(),
        Field::HungUpBy => by.as_str().to_owned(),
        Field::CallId => "main/1795292763.0".to_owned(),
        Field::LinkedId => "1795292763.0".to_owned(),
        Field::Ticket => "35436".to_owned(),
        Field::CallerName
        | Field::Person
        | Field::Dialled
        | Field::Group
        | Field::AgentName
        | Field::AgentExtension
        | Field::Candidates
        | Field::Source
        | Field::Recording
        // Only in paths.
        | Field::Year
        | Field::Month
        | Field::Day
        | Field::Time
        | Field::Variable(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{COMMENTED, Environment, Secrets};

    fn examples(more: &str, value: &str) -> Vec<String> {
        let text = COMMENTED
            .replace("\non_abandoned = false", &format!("\n{more}\n"))
            .replace("\nvariables = []", "\nvariables = [\"crm_id\"]")
            + &format!("[[field]]\nticket = \"Outcome\"\nvalue = \"{value}\"\n");
        let path = std::path::Path::new("ringdesk.toml");
        let config = Config::parse(&text, path, &Environment::empty(), Secrets::Needed).unwrap();
        let fields = fields_to_check(&config);
        let [field] = fields.as_slice() else { panic!("{fields:?}") };
        assert_eq!(field.target, FieldTarget::Ticket("Outcome".to_owned()));
        assert_eq!(field.mapping, &config.fields[0]);
        field.examples.clone()
    }

    #[test]
    fn each_text_that_a_call_with_a_ticket_can_make_is_an_example() {
        assert_eq!(examples("", "outcome_{outcome}"), ["outcome_answered"]);
        assert_eq!(
            examples("on_abandoned = true", "{outcome}"),
            ["answered", "abandoned", "unanswered", "busy"]
        );
        assert_eq!(examples("", "{waiting_seconds}"), ["90"]);
        assert_eq!(examples("", "{hung_up_by}"), ["caller", "agent", "pbx"]);
        assert_eq!(examples("", "phone"), ["phone"]);
        for unknown in ["{var.crm_id}", "{outcome} {person}", "{caller_name|outcome}"] {
            assert_eq!(examples("", unknown), [""; 0], "{unknown}");
        }
    }
}
