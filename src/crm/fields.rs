//! The check of the mappings from calls to fields, for the start and for `ringdesk doctor`.

use crate::call::FieldTarget;

/// A mapping that is to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldCheck {
    /// Where it is written.
    pub target: FieldTarget,
    /// What it may write: a fixed text, or what its template gives for example calls. None: only the field is checked.
    pub examples: Vec<String>,
}

/// What is wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// The CRM has no field of this name.
    #[error("there is no such field: write the title or the id of a ticket's field, the key of a user's")]
    Unknown,
    /// Several fields have this title.
    #[error("{0} fields have this title: write the id of the one that is meant")]
    Ambiguous(usize),
    /// The field was deactivated, and what is written into it is lost.
    #[error("the field is deactivated: activate it or take the mapping away")]
    Inactive,
    /// The field is one of the CRM's own, or of a type that no text can be made for.
    #[error("the field is of the type `{0}`, which takes no text")]
    NoText(String),
    /// A field of choices has none.
    #[error("the field has no options yet: add some or take the mapping away")]
    NoOptions,
    /// The field does not take an example.
    #[error("the field does not take `{value}`: it {wants}")]
    Misfit {
        /// The example.
        value: String,
        /// What the field wants, such as "wants a whole number".
        wants: String,
    },
    /// A tag would not be written as it is said.
    #[error("`{value}` is no tag: it is written as `{tag}`")]
    OtherTag {
        /// The example.
        value: String,
        /// The tags, parted by blanks.
        tag: String,
    },
}
