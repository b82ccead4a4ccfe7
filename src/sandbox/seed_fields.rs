//! Custom fields and registered apps in a seed.

use regex::Regex;
use serde::Deserialize;

use super::fields::{Choice, Field};
use super::seed::{SeedError, yes};
use super::world::World;

/// A custom field of tickets or users.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedField {
    /// Its id; chosen when missing.
    pub id: Option<u64>,
    /// The key of a user's field.
    pub key: Option<String>,
    /// `text`, `textarea`, `checkbox`, `date`, `integer`, `decimal`, `regexp`, `tagger` (of a user: `dropdown`), `multiselect`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub title: String,
    /// False: deactivated.
    #[serde(default = "yes")]
    pub active: bool,
    /// Agents cannot solve a ticket without it.
    #[serde(default)]
    pub required: bool,
    /// The pattern of a `regexp` field.
    pub regexp_for_validation: Option<String>,
    /// The tag of a `checkbox`.
    pub tag: Option<String>,
    /// What can be chosen.
    #[serde(default)]
    pub custom_field_options: Vec<SeedChoice>,
}

/// One choice of a drop-down or multi-select field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedChoice {
    /// What people read.
    pub name: String,
    /// What is written, and the tag of the ticket.
    pub value: String,
}

/// A registered app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedApp {
    /// Its id.
    pub id: u64,
    /// The name shown as the source of its calls.
    pub name: String,
}

impl SeedField {
    /// The field as the account has it.
    pub(super) fn define(&self, world: &mut World) -> Result<Field, SeedError> {
        let pattern = self.regexp_for_validation.as_deref();
        let regexp = pattern.map(Regex::new).transpose().map_err(|_| SeedError::Unknown {
            what: "the pattern",
            name: self.regexp_for_validation.clone().unwrap_or_default(),
        })?;
        let choices = self.custom_field_options.iter().map(|choice| Choice {
            id: world.fresh_id(),
            name: choice.name.clone(),
            value: choice.value.clone(),
        });
        let choices = choices.collect();
        Ok(Field {
            id: self.id.unwrap_or_else(|| world.fresh_id()),
            key: self.key.clone(),
            kind: self.kind.clone(),
            title: self.title.clone(),
            active: self.active,
            required: self.required,
            regexp,
            tag: self.tag.clone(),
            choices,
        })
    }
}
