//! The file as text: where a value stands, and how its line is shown without a secret.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// Longest piece of a line that is quoted, in characters.
const QUOTE_LENGTH: usize = 100;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The file as a whole: something is missing in it.
    Whole,
    /// These bytes of the file.
    File(Range<usize>),
    /// An environment variable.
    Variable(String),
}

/// The file.
#[derive(Debug)]
pub(super) struct Document {
    pub path: PathBuf,
    pub text: String,
}

impl Document {
    /// A path of the file made absolute: relative ones count from the file's own folder.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new(".")).join(path)
    }

    /// Line and column, both from 1; columns are characters.
    pub fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(at)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[line_start..].trim_start_matches('\u{feff}').chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    /// The line with carets below `span`; bytes in `masks` are shown as one `…`.
    pub fn quote(&self, span: &Range<usize>, masks: &[Range<usize>]) -> String {
        let start = self.text.floor_char_boundary(span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |newline| start + newline);

        let (mut shown, mut carets, mut masked) = (String::new(), String::new(), false);
        for (offset, c) in self.text[line_start..line_end].char_indices() {
            let at = line_start + offset;
            if c == '\u{feff}' || c == '\r' {
                continue;
            }
            let now_masked = masks.iter().any(|mask| mask.contains(&at));
            if !(now_masked && masked) {
                shown.push(if now_masked { '…' } else { c });
                let below = at >= span.start && (at < span.end || at == span.start);
                // A tab stays a tab, so that the carets stand below their text.
                carets.push(if below {
                    '^'
                } else if c == '\t' {
                    '\t'
                } else {
                    ' '
                });
            }
            masked = now_masked;
        }
        if !carets.contains('^') {
            carets.push('^'); // The mistake is that the line ends here.
        }
        window(&mut shown, &mut carets);
        let (line, _) = self.line_and_column(span.start);
        let gutter = line.to_string().len();
        format!("{:gutter$} |\n{line} | {}\n{:gutter$} | {}", "", shown.trim_end(), "", carets.trim_end())
    }

    /// The bytes of the line around `at`.
    pub fn line_around(&self, at: usize) -> Range<usize> {
        let at = self.text.floor_char_boundary(at);
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline);
        start..end
    }
}

/// Cuts a long line to the piece around its first caret.
fn window(shown: &mut String, carets: &mut String) {
    if shown.chars().count() <= QUOTE_LENGTH {
        return;
    }
    let caret = carets.chars().position(|c| c == '^').unwrap_or(0);
    let skipped = caret.saturating_sub(QUOTE_LENGTH / 2);
    let cut = |text: &str| text.chars().skip(skipped).take(QUOTE_LENGTH).collect::<String>();
    *shown = format!("…{}…", cut(shown));
    *carets = format!(" {}", cut(carets));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document { path: "/etc/ringdesk/ringdesk.toml".into(), text: text.to_owned() }
    }

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let file = document("\u{feff}a = 1\nname = \"Jörg\" # ü\nx");
        let table = [("a =", (1, 1)), ("name", (2, 1)), ("Jörg", (2, 9)), ("# ü", (2, 15)), ("x", (3, 1))];
        for (text, expected) in table {
            assert_eq!(file.line_and_column(file.text.find(text).unwrap()), expected, "{text}");
        }
        assert_eq!(file.line_and_column(file.text.len()), (3, 2));
    }

    #[test]
    fn a_line_is_quoted_with_carets_and_without_secrets() {
        let file = document("one\n\tsecret = \"abc\", port = 99999\r\nlast");
        let secret = file.text.find("\"abc\"").unwrap();
        let port = file.text.find("99999").unwrap();
        assert_eq!(
            file.quote(&(port..port + 5), std::slice::from_ref(&(secret..secret + 5))),
            "  |\n2 | \tsecret = …, port = 99999\n  | \t                   ^^^^^"
        );
        assert_eq!(file.quote(&(0..0), &[]), "  |\n1 | one\n  | ^");
        let end = file.text.len();
        assert_eq!(file.quote(&(end..end), &[]), "  |\n3 | last\n  |     ^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_mistake() {
        let file = document(&format!("tags = [{}]", "\"x\", ".repeat(1_000)));
        let quote = file.quote(&(2_500..2_503), &[]);
        let lines: Vec<_> = quote.lines().collect();
        assert!(quote.len() < 400, "{quote}");
        let caret = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().skip(caret).take(3).collect::<String>(), &file.text[2_500..2_503]);
    }
}
