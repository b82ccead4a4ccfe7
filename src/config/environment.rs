//! Environment variables over the file: `RINGDESK__CRM__ZENDESK__CLIENT_SECRET=…`.
//!
//! Two underscores part the names of tables and key, all in capitals; the tables of a list are
//! counted from 0 (`RINGDESK__PBX__AMI__0__SECRET`), and one more than there are makes a new one. The
//! `config` crate cuts the names; it is told to leave the values alone.

use std::collections::BTreeMap;
use std::ffi::OsString;

use config::Source as _;

use super::document::Place;
use super::tree::{Entry, Node, Table, Value};

const PREFIX: &str = "RINGDESK";

/// The environment variables that the config looks at.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    /// No variables.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The value of a variable; `None` when it is not set, empty or not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(&OsString::from(name))?.to_str().filter(|value| !value.is_empty())
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

/// Lays the variables over the tree. Returns the names of those that cannot be laid, with the reason.
pub(super) fn lay_over(tree: &mut Table, environment: &Environment) -> Vec<(String, &'static str)> {
    let mut refused = Vec::new();
    let mut ours = config::Map::new();
    for (name, value) in &environment.variables {
        let name = name.to_string_lossy();
        if !name.starts_with("RINGDESK__") {
            continue;
        }
        match value.to_str() {
            _ if name.chars().any(|c| c.is_lowercase()) => {
                refused.push((name.into_owned(), "the name has small letters: write it in capitals"));
            }
            // Not left to the config crate, whose error prints the value.
            None => refused.push((name.into_owned(), "the value is not UTF-8 text")),
            Some(value) => {
                ours.insert(name.into_owned(), value.to_owned());
            }
        }
    }
    let cut = config::Environment::with_prefix(PREFIX)
        .prefix_separator("__")
        .separator("__")
        .try_parsing(false)
        .source(Some(ours))
        .collect()
        .expect("text values cannot be refused");

    let mut laid: Vec<(Vec<String>, String)> = cut
        .into_iter()
        .map(|(path, value)| (path.split('.').map(str::to_owned).collect(), value.to_string()))
        .collect();
    // Shorter numbers first, so that table 9 is there before table 10.
    laid.sort_by_key(|(path, _)| path.iter().map(|step| (step.len(), step.clone())).collect::<Vec<_>>());
    for (path, value) in laid {
        let name = format!("{PREFIX}__{}", path.join("__").to_uppercase());
        if let Err(reason) = lay(tree, &path, &name, value) {
            refused.push((name, reason));
        }
    }
    refused
}

fn lay(table: &mut Table, path: &[String], name: &str, value: String) -> Result<(), &'static str> {
    let place = Place::Variable(name.to_owned());
    let (first, rest) = path.split_first().ok_or("the name ends too early")?;
    if first.is_empty() {
        return Err("a name between the underscores is empty: write RINGDESK__TABLE__KEY");
    }
    let fresh = |value| Entry { key: place.clone(), node: Node { place: place.clone(), value } };
    match rest {
        [] => {
            table.insert(first.clone(), fresh(Value::Variable(value)));
            Ok(())
        }
        [index, inner @ ..] if index.bytes().all(|byte| byte.is_ascii_digit()) && !index.is_empty() => {
            let entry = table.entry(first.clone()).or_insert_with(|| fresh(Value::List(Vec::new())));
            let Value::List(items) = &mut entry.node.value else {
                return Err("a number stands behind a name that is no list of tables");
            };
            let index: usize = index.parse().map_err(|_| "the number of the table is too large")?;
            if index == items.len() && !inner.is_empty() {
                items.push(fresh(Value::Table(Table::new())).node);
            }
            match items.get_mut(index).map(|item| &mut item.value) {
                Some(Value::Table(item)) => lay(item, inner, name, value),
                Some(_) => Err("a list of values is set as a whole, with commas: RINGDESK__TICKET__TAGS=a,b"),
                None => Err("there are fewer tables: they are counted from 0, without a gap"),
            }
        }
        _ => {
            let entry = table.entry(first.clone()).or_insert_with(|| fresh(Value::Table(Table::new())));
            match &mut entry.node.value {
                Value::Table(inner) => lay(inner, rest, name, value),
                Value::List(_) => Err("this is a list of tables: write the number of the table, from 0"),
                _ => Err("a name in it is a key of the file, not a table"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(variables: &[(&str, &str)]) -> (String, Vec<(String, &'static str)>) {
        let text = "mode = 'run'\n[[pbx.ami]]\nport = 1\n[[pbx.ami]]\nport = 2\n[ticket]\ntags = ['a']\n";
        let parsed = toml::de::DeTable::parse(text).unwrap();
        let mut tree = super::super::tree::table(parsed.get_ref());
        let environment = variables.iter().map(|(name, value)| (*name, *value)).collect();
        let refused = lay_over(&mut tree, &environment);
        (show(&Value::Table(tree)), refused)
    }

    fn show(value: &Value) -> String {
        match value {
            Value::Text(text) => format!("'{text}'"),
            Value::Variable(text) => format!("${text}"),
            Value::Whole(number) => number.unwrap().to_string(),
            Value::List(items) => {
                format!("[{}]", items.iter().map(|item| show(&item.value)).collect::<Vec<_>>().join(" "))
            }
            Value::Table(table) => {
                let inner = table.iter().map(|(key, entry)| format!("{key}={}", show(&entry.node.value)));
                format!("{{{}}}", inner.collect::<Vec<_>>().join(" "))
            }
            Value::Flag(_) | Value::Other(_) => unreachable!(),
        }
    }

    #[test]
    fn variables_are_laid_over_the_file_as_text() {
        let (tree, refused) = laid(&[
            ("RINGDESK__CRM__ZENDESK__CLIENT_SECRET", "00123"),
            ("RINGDESK__PBX__AMI__1__SECRET", "true"),
            ("RINGDESK__PBX__AMI__2__PORT", "3"),
            ("RINGDESK__MODE", "observe"),
            ("RINGDESK__TICKET__TAGS", "b,c"),
            ("RINGDESK_LOG", "debug"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(refused, []);
        assert_eq!(
            tree,
            "{crm={zendesk={client_secret=$00123}} mode=$observe \
             pbx={ami=[{port=1} {port=2 secret=$true} {port=$3}]} ticket={tags=$b,c}}"
        );
    }

    #[test]
    fn a_variable_that_fits_nowhere_is_refused_by_name() {
        let table = [
            ("RINGDESK__PBX__AMI__7__SECRET", "fewer tables"),
            ("RINGDESK__PBX__AMI__SECRET", "write the number"),
            ("RINGDESK__PBX__AMI__2", "fewer tables"),
            ("RINGDESK__PBX__AMI__0", "ends too early"),
            ("RINGDESK__MODE__X", "not a table"),
            ("RINGDESK__MODE__0__X", "no list of tables"),
            ("RINGDESK__TICKET__TAGS__0", "as a whole"),
            ("RINGDESK____X", "is empty"),
            ("RINGDESK__log__level", "capitals"),
        ];
        for (name, expected) in table {
            let (_, refused) = laid(&[(name, "hush")]);
            assert!(refused.len() == 1 && refused[0].1.contains(expected), "{name}: {refused:?}");
            assert_eq!(refused[0].0, name);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_no_text_is_refused_without_being_shown() {
        use std::os::unix::ffi::OsStringExt as _;
        let value = OsString::from_vec(b"hush\xff".to_vec());
        let environment = [(OsString::from("RINGDESK__MODE"), value)].into_iter().collect();
        let refused = lay_over(&mut Table::new(), &environment);
        assert_eq!(refused, [("RINGDESK__MODE".to_owned(), "the value is not UTF-8 text")]);
    }

    #[test]
    fn the_eleventh_table_comes_behind_the_tenth() {
        let variables: Vec<_> =
            (0..12).map(|i| (format!("RINGDESK__GROUP__{i}__QUEUE"), format!("q{i}"))).collect();
        let mut tree = Table::new();
        assert_eq!(lay_over(&mut tree, &variables.into_iter().collect()), []);
        assert!(show(&Value::Table(tree)).contains("{queue=$q9} {queue=$q10} {queue=$q11}"));
    }
}
