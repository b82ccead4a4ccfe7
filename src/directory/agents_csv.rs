//! The CSV file of agents: `extension,email,name`.
//!
//! As Excel and the PBXs' own exports write it: comma or semicolon, a byte order mark, columns in
//! any order and case, further columns. A row that cannot be used is told with its line and does
//! not keep the others away.

use crate::call::{Agent, Extension};

/// The file, or a row of it, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// A column is missing.
    #[error(
        "line 1: there is no column `{0}`: the first line must name the columns extension, email and, if wanted, name"
    )]
    NoColumn(&'static str),
    /// The text is not UTF-8.
    #[error("line {line}: the text is not UTF-8: save the file as \"CSV UTF-8\"")]
    NotUtf8 {
        /// Counts from 1.
        line: u64,
    },
    /// The extension is none.
    #[error("line {line}: {source}")]
    Extension {
        /// Counts from 1.
        line: u64,
        /// Why.
        source: crate::call::IdError,
    },
    /// The address is none.
    #[error("line {line}: `{email}` is not an e-mail address: write one such as \"anna.weber@example.com\"")]
    Email {
        /// Counts from 1.
        line: u64,
        /// What is written there.
        email: String,
    },
    /// The line cannot be read as CSV.
    #[error("line {line}: cannot be read: {reason}")]
    Line {
        /// Counts from 1.
        line: u64,
        /// Why.
        reason: String,
    },
}

/// Reads the file's bytes: the agents of all good rows, and what is wrong with the others.
pub fn read_agents(bytes: &[u8]) -> (Vec<Agent>, Vec<CsvError>) {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut agents = Vec::new();
    let mut errors = Vec::new();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(bytes))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let columns = match reader.byte_headers() {
        Ok(header) => Columns::of(header),
        Err(error) => Err(line_error(&error)),
    };
    let columns = match columns {
        Ok(columns) => columns,
        Err(error) => return (agents, vec![error]),
    };
    for row in reader.byte_records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                errors.push(line_error(&error));
                continue;
            }
        };
        if row.iter().all(<[u8]>::is_empty) {
            continue; // Excel leaves rows of bare separators at the end.
        }
        match columns.agent(&row) {
            Ok(agent) => agents.push(agent),
            Err(error) => errors.push(error),
        }
    }
    (agents, errors)
}

/// The separator that the first line has more of; a German Excel writes semicolons.
fn delimiter(bytes: &[u8]) -> u8 {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |sign: u8| first.iter().filter(|byte| **byte == sign).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|sign| count(*sign)).unwrap_or(b',')
}

struct Columns {
    extension: usize,
    email: usize,
    name: Option<usize>,
}

impl Columns {
    fn of(header: &csv::ByteRecord) -> Result<Self, CsvError> {
        let find = |names: &[&str]| {
            header.iter().position(|cell| names.iter().any(|name| cell.eq_ignore_ascii_case(name.as_bytes())))
        };
        Ok(Self {
            extension: find(&["extension"]).ok_or(CsvError::NoColumn("extension"))?,
            email: find(&["email", "e-mail"]).ok_or(CsvError::NoColumn("email"))?,
            name: find(&["name"]),
        })
    }

    fn agent(&self, row: &csv::ByteRecord) -> Result<Agent, CsvError> {
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |column: usize| {
            std::str::from_utf8(row.get(column).unwrap_or_default()).map_err(|_| CsvError::NotUtf8 { line })
        };
        let extension = cell(self.extension)?
            .parse::<Extension>()
            .map_err(|source| CsvError::Extension { line, source })?;
        let email = cell(self.email)?.to_lowercase();
        let is_address = email
            .split_once('@')
            .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'));
        if !is_address || email.contains(char::is_whitespace) {
            return Err(CsvError::Email { line, email });
        }
        let name = match self.name {
            Some(column) => Some(cell(column)?).filter(|name| !name.is_empty()).map(str::to_owned),
            None => None,
        };
        Ok(Agent { extension, email: Some(email), name })
    }
}

fn line_error(error: &csv::Error) -> CsvError {
    let line = error.position().map_or(1, csv::Position::line);
    CsvError::Line { line, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agent(extension: &str, email: &str, name: Option<&str>) -> Agent {
        Agent {
            extension: extension.parse().unwrap(),
            email: Some(email.to_owned()),
            name: name.map(str::to_owned),
        }
    }

    #[test]
    fn every_way_to_write_the_file_gives_the_same_agents() {
        let expected =
            [agent("201", "anna@example.com", Some("Weber, Anna")), agent("202", "ümit@example.com", None)];
        let files = [
            "extension,email,name\n201,anna@example.com,\"Weber, Anna\"\n202,ümit@example.com,\n",
            "\u{FEFF}Extension;E-Mail;Name\r\n201;Anna@Example.com;Weber, Anna\r\n202;Ümit@example.com\r\n;;\r\n",
            "NAME ; EMAIL ; EXTENSION\n\"Weber, Anna\"; anna@example.com ; 201 \n ;ümit@example.com;202",
            "department\textension\temail\tname\nx\t201\tanna@example.com\tWeber, Anna\n\n\t202\tümit@example.com\t",
        ];
        for file in files {
            assert_eq!(read_agents(file.as_bytes()), (expected.to_vec(), vec![]), "{file:?}");
        }
    }

    #[test]
    fn a_wrong_row_is_told_with_its_line_and_does_not_keep_the_others_away() {
        let mut file =
            b"extension,email\n201,anna@example.com\n20 1,b@example.com\n202,nobody\n,c@example.com\n"
                .to_vec();
        file.extend(b"203,J\xF6rg@example.com\n\n204,d@example.com\n205\n");
        let (agents, errors) = read_agents(&file);
        assert_eq!(agents, [agent("201", "anna@example.com", None), agent("204", "d@example.com", None)]);
        let texts: Vec<String> = errors.iter().map(CsvError::to_string).collect();
        let starts = [
            "line 3: `20 1`",
            "line 4: `nobody`",
            "line 5: ``",
            "line 6: the text is not UTF-8",
            "line 9: ``",
        ];
        assert_eq!(texts.len(), starts.len(), "{texts:?}");
        for (text, start) in texts.iter().zip(starts) {
            assert!(text.starts_with(start), "{text}");
        }
    }

    #[test]
    fn a_file_without_the_columns_is_refused_with_the_way_out() {
        for (file, column) in
            [("", "extension"), ("201,anna@example.com\n", "extension"), ("extension,name\n1,2\n", "email")]
        {
            let (agents, errors) = read_agents(file.as_bytes());
            assert_eq!((agents, errors), (vec![], vec![CsvError::NoColumn(column)]), "{file:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read_agents(&bytes);
            read_agents(&[b"extension,email,name\n".as_slice(), &bytes].concat());
        }
    }
}
