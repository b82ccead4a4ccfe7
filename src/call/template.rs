//! The admin's own words for tickets: text with `{placeholders}`.
//!
//! A template is compiled once, when the config is read, so that a wrong placeholder is a mistake in
//! the file and never a surprise during a call. There is deliberately no language in here: `{a|b}`
//! takes the first that is not empty, and a line whose placeholders are all empty is left out.

use std::fmt;

use super::field::{Field, VARIABLE};

/// Longest subject in characters: Zendesk documents no limit, and 150 is safe everywhere.
const SUBJECT_LENGTH: usize = 150;

/// Longest value in characters. A caller's name comes from the wire and may be of any length.
const VALUE_LENGTH: usize = 4_000;

/// Longest value in a path, in characters. A name has 255 bytes and several values.
const PATH_VALUE_LENGTH: usize = 60;

/// A compiled text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    lines: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The first that is not empty.
    FirstOf(Vec<Field>),
}

impl Template {
    /// Compiles `text`, in which only the placeholders of `allowed` may stand. `{{` and `}}` are braces.
    ///
    /// Blank lines at the end are not part of the template: in TOML they come from the closing quotes.
    ///
    /// # Errors
    /// [`TemplateError`] names the placeholder and lists what is allowed.
    pub fn compile(text: &str, allowed: &[Field]) -> Result<Self, TemplateError> {
        Self::compile_for(text, Allowed { fields: allowed, variables: None })
    }

    /// Like [`Template::compile`], and `{var.NAME}` may stand for the channel variables of these names,
    /// which are in small letters. Small and capital letters of the text are the same.
    ///
    /// # Errors
    /// See [`Template::compile`].
    pub fn compile_with(text: &str, allowed: &[Field], variables: &[String]) -> Result<Self, TemplateError> {
        Self::compile_for(text, Allowed { fields: allowed, variables: Some(variables) })
    }

    fn compile_for(text: &str, allowed: Allowed<'_>) -> Result<Self, TemplateError> {
        if text.trim().is_empty() {
            return Err(TemplateError::Empty);
        }
        text.trim_end()
            .lines()
            .map(|line| compile_line(line, allowed))
            .collect::<Result<_, _>>()
            .map(|lines| Self { lines })
    }

    /// Every placeholder, in order.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.lines.iter().flatten().flat_map(|piece| match piece {
            Piece::Text(_) => &[][..],
            Piece::FirstOf(fields) => fields.as_slice(),
        })
    }

    /// What stands between the placeholders, piece by piece.
    pub fn plain(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flatten().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::FirstOf(_) => None,
        })
    }

    /// The text with several lines, for a comment.
    ///
    /// Values are cleaned: control characters become blanks and marks that turn the writing direction
    /// go, so that a caller's name cannot forge a line. Only [`Field::Candidates`] keeps its lines.
    /// Blank lines that meet where a line was left out become one.
    pub fn render(&self, lookup: impl Fn(Field) -> Option<String>) -> String {
        let mut text = String::new();
        for line in self.lines.iter().filter_map(|pieces| render_line(pieces, &lookup)) {
            if line.is_empty() && (text.is_empty() || text.ends_with("\n\n")) {
                continue;
            }
            text.push_str(&line);
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// A path: like [`Template::render`], and no value can lead into another folder or be read as a pattern.
    ///
    /// `None` when nothing is left.
    pub fn render_path(&self, lookup: impl Fn(Field) -> Option<String>) -> Option<String> {
        let text = self.render(|field| lookup(field).map(|value| in_a_path(&value)));
        (!text.is_empty()).then_some(text)
    }

    /// The text as one line of at most 150 characters without doubled blanks, for a subject or a name.
    ///
    /// `None` when nothing is left.
    pub fn render_line(&self, lookup: impl Fn(Field) -> Option<String>) -> Option<String> {
        let text = self.render(lookup);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        (!words.is_empty()).then(|| cut(&words, SUBJECT_LENGTH))
    }
}

/// What may stand in a text.
#[derive(Clone, Copy)]
struct Allowed<'a> {
    fields: &'a [Field],
    /// Channel variables, where there may be any.
    variables: Option<&'a [String]>,
}

impl Allowed<'_> {
    fn field(self, word: &str) -> Result<Field, TemplateError> {
        if let (Some(name), Some(variables)) = (word.strip_prefix(VARIABLE), self.variables) {
            let name = name.to_lowercase();
            return match variables.contains(&name) {
                true => Ok(Field::Variable(name)),
                false => Err(TemplateError::UnknownVariable { name, known: variables.to_vec() }),
            };
        }
        let field = self.fields.iter().find(|field| field.is_called(word));
        field.cloned().ok_or_else(|| TemplateError::Unknown {
            name: word.to_owned(),
            allowed: self.fields.iter().map(|field| format!("{{{}}}", field.name())).collect(),
        })
    }
}

fn compile_line(line: &str, allowed: Allowed<'_>) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        let (brace, behind) = rest[at..].split_at(1);
        if let Some(behind) = behind.strip_prefix(brace) {
            plain.push_str(brace);
            rest = behind;
            continue;
        }
        if brace == "}" {
            return Err(TemplateError::Unopened { line: line.to_owned() });
        }
        let Some((inside, behind)) = behind.split_once('}') else {
            return Err(TemplateError::Unclosed { line: line.to_owned() });
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::FirstOf(compile_placeholder(inside, allowed)?));
        rest = behind;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

fn compile_placeholder(inside: &str, allowed: Allowed<'_>) -> Result<Vec<Field>, TemplateError> {
    inside.split('|').map(|word| allowed.field(word.trim())).collect()
}

/// The line with its values; `None` when it has placeholders and all of them are empty.
fn render_line(pieces: &[Piece], lookup: impl Fn(Field) -> Option<String>) -> Option<String> {
    let mut line = String::new();
    let (mut asked, mut filled) = (false, false);
    for piece in pieces {
        match piece {
            Piece::Text(text) => line.push_str(text),
            Piece::FirstOf(fields) => {
                asked = true;
                let mut values =
                    fields.iter().filter_map(|field| Some(clean(field, &lookup(field.clone())?)));
                if let Some(value) = values.find(|value| !value.is_empty()) {
                    filled = true;
                    line.push_str(&value);
                }
            }
        }
    }
    (filled || !asked).then_some(line)
}

fn clean(field: &Field, value: &str) -> String {
    let kept = |c: &char| !matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let keeps_lines = *field == Field::Candidates;
    let blank = |c: char| if c.is_control() && !(keeps_lines && c == '\n') { ' ' } else { c };
    let value: String = value.chars().filter(kept).map(blank).collect();
    cut(value.trim(), VALUE_LENGTH)
}

/// What a file system, a share and Asterisk's options take in a name. Two dots in a row would be a folder.
fn in_a_path(value: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || "+-_.@".contains(c);
    let value: String = value.trim().chars().map(|c| if kept(c) { c } else { '_' }).collect();
    cut(&value.replace("..", "__"), PATH_VALUE_LENGTH).replace('…', "_")
}

/// The text, at most `length` characters long; where something is missing, the last is `…`.
fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        None => text.to_owned(),
        Some(_) => text.chars().take(length - 1).chain(['…']).collect(),
    }
}

/// The text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// There is nothing in it.
    Empty,
    /// A placeholder that does not exist.
    Unknown {
        /// The placeholder.
        name: String,
        /// What may stand here.
        allowed: Vec<String>,
    },
    /// A channel variable that nobody asks the PBX for.
    UnknownVariable {
        /// Its name, in small letters.
        name: String,
        /// Those that are asked for.
        known: Vec<String>,
    },
    /// `{` without `}` on the same line.
    Unclosed {
        /// The line.
        line: String,
    },
    /// `}` without `{`.
    Unopened {
        /// The line.
        line: String,
    },
}

impl std::error::Error for TemplateError {}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the text is empty: write something, or leave the key out"),
            Self::Unknown { name, allowed } => {
                write!(f, "there is no placeholder `{{{name}}}`: write {}", allowed.join(", "))?;
                write!(f, ", or {{{{ and }}}} for braces")
            }
            Self::UnknownVariable { name, known } => {
                write!(
                    f,
                    "the channel variable `{name}` is not asked for: write it into `variables` of [[pbx.ami]]"
                )?;
                if !known.is_empty() {
                    let known: Vec<_> = known.iter().map(|name| format!("{{{VARIABLE}{name}}}")).collect();
                    write!(f, ", or write {}", known.join(", "))?;
                }
                Ok(())
            }
            Self::Unclosed { line } => {
                write!(
                    f,
                    "a `{{` is not closed in `{line}`: write `}}` behind the name, or `{{{{` for a brace"
                )
            }
            Self::Unopened { line } => {
                write!(f, "a `}}` stands alone in `{line}`: write `}}}}` for a brace")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &str) -> Template {
        Template::compile(text, Field::OF_TICKETS).unwrap()
    }

    fn values(field: Field) -> Option<String> {
        let value = match field {
            Field::CallerNumber => "+49 30 23125111",
            Field::CallerName => "",
            Field::Group => "support",
            Field::Candidates => "Erika Mustermann (17)\nMax Mustermann (18)",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn placeholders_are_filled_and_braces_kept() {
        let table = [
            ("Call from {caller_number} to {group}", "Call from +49 30 23125111 to support"),
            ("{{group}} is {group}", "{group} is support"),
            ("}}{{", "}{"),
            ("{person|caller_name|caller_number}", "+49 30 23125111"),
            ("{ person | group }!", "support!"),
            ("plain", "plain"),
            ("Grüße {group}…", "Grüße support…"),
        ];
        for (text, expected) in table {
            assert_eq!(compile(text).render(values), expected, "{text}");
        }
    }

    #[test]
    fn a_line_with_nothing_to_say_is_left_out() {
        let text =
            "First\nName: {caller_name}\nBoth: {person} {group}\n\n{started}\n\nPeople:\n{candidates}\n\n";
        let expected = "First\nBoth:  support\n\nPeople:\nErika Mustermann (17)\nMax Mustermann (18)";
        assert_eq!(compile(text).render(values), expected);
    }

    #[test]
    fn a_subject_is_one_short_line_without_doubled_blanks() {
        let subject = compile("Call:  {person} {group}\n{caller_number}").render_line(values);
        assert_eq!(subject.as_deref(), Some("Call: support +49 30 23125111"));
        assert_eq!(compile("{person}").render_line(values), None);

        let long = compile("{caller_name}").render_line(|_| Some("ü".repeat(400))).unwrap();
        assert_eq!(long.chars().count(), 150);
        assert!(long.ends_with("ü…"), "{long}");
    }

    #[test]
    fn a_value_in_a_path_leads_nowhere_else() {
        let path =
            Template::compile("/monitor/{year}/*-{dialled}-{agent_name}.wav", Field::OF_FILES).unwrap();
        let value = |field| match field {
            Field::Year => Some("2026".to_owned()),
            Field::Dialled => Some("../../etc/*,b(x)".to_owned()),
            Field::AgentName => Some("Jörg Groß".to_owned()),
            _ => None,
        };
        assert_eq!(path.render_path(value).unwrap(), "/monitor/2026/*-______etc___b_x_-Jörg_Groß.wav");
        assert_eq!(Template::compile("{dialled}", Field::OF_FILES).unwrap().render_path(|_| None), None);
        let long = path.render_path(|_| Some("9".repeat(5_000))).unwrap();
        assert!(long.len() < 255, "{long}");
    }

    #[test]
    fn a_name_from_the_line_cannot_forge_lines_or_turn_the_writing() {
        let sent = "Evil\r\nGroup: gold\u{202e}\u{0}";
        let text = compile("Name: {caller_name}").render(|_| Some(sent.to_owned()));
        assert_eq!(text, "Name: Evil  Group: gold");
        let endless = compile("{caller_name}").render(|_| Some("x".repeat(70_000)));
        assert_eq!(endless.chars().count(), VALUE_LENGTH);
    }

    #[test]
    fn what_cannot_be_filled_is_refused_with_the_list() {
        let table = [
            (
                "{caler_number}",
                "there is no placeholder `{caler_number}`: write {caller_number}, {caller_name}",
            ),
            ("{}", "there is no placeholder `{}`"),
            ("{person|}", "there is no placeholder `{}`"),
            ("{number}", "there is no placeholder `{number}`"),
            ("a {group", "a `{` is not closed in `a {group`"),
            ("a } b", "a `}` stands alone in `a } b`"),
            (" \n ", "the text is empty"),
        ];
        for (text, expected) in table {
            let error = Template::compile(text, Field::OF_TICKETS).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn channel_variables_are_named_in_whatever_letters_and_only_those_that_are_asked_for() {
        let known = ["crm_id".to_owned(), "cdr(did)".to_owned()];
        let compile = |text: &str| Template::compile_with(text, Field::OF_FIELDS, &known);
        let text = compile("{var.CRM_ID|caller_number} {var.cdr(did)}").unwrap();
        let value = |field: Field| match field {
            Field::Variable(name) => Some(format!("<{name}>")),
            _ => None,
        };
        assert_eq!(text.render(value), "<crm_id> <cdr(did)>");
        let error = |text: &str| compile(text).unwrap_err().to_string();
        assert_eq!(
            error("{var.Language}"),
            "the channel variable `language` is not asked for: write it into `variables` of [[pbx.ami]], or write \
             {var.crm_id}, {var.cdr(did)}"
        );
        assert!(error("{var.}").contains("the channel variable `` is not asked for"));
        let none = Template::compile_with("{var.x}", Field::OF_FIELDS, &[]).unwrap_err().to_string();
        assert!(none.ends_with("write it into `variables` of [[pbx.ami]]"), "{none}");
        let name = Template::compile("{var.crm_id}", Field::OF_NEW_USERS).unwrap_err().to_string();
        assert!(name.starts_with("there is no placeholder `{var.crm_id}`"), "{name}");
    }

    #[test]
    fn the_first_text_cannot_know_the_end_and_a_missed_call_has_no_agent() {
        for word in ["ended", "duration", "outcome", "hung_up_by", "ticket", "recording"] {
            let text = format!("{{{word}}}");
            Template::compile(&text, Field::OF_TICKETS).unwrap_err();
            Template::compile(&text, Field::OF_FIELDS).unwrap();
        }
        for word in ["agent_name", "agent_id", "answered", "duration", "ticket"] {
            let text = format!("{{{word}}}");
            Template::compile(&text, Field::OF_MISSED).unwrap_err();
            Template::compile(&text, Field::OF_FIELDS).unwrap();
        }
        let (id, extension) = (compile("{agent_id}"), compile("{agent_extension}"));
        assert_eq!(id, extension, "another word for the same");
    }
}
