//! Files that are no TOML. The parser's words, with our places and without secrets.

use std::ops::Range;

use super::document::{Document, Place};
use super::error::Finding;
use super::reader::{KnownKey, position};

/// More are not worth reading: the later ones mostly follow from the first.
const MOST: usize = 5;

/// What the parser says, one finding a line.
pub(super) fn findings(document: &Document, errors: &[toml::de::Error], known: &[KnownKey]) -> Vec<Finding> {
    let mut spots: Vec<(Range<usize>, &str)> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    spots.sort_by_key(|(span, _)| span.start);
    spots.dedup_by_key(|(span, _)| document.line_and_column(span.start).0);
    spots.truncate(MOST);
    spots
        .into_iter()
        .map(|(span, said)| {
            let masks = masks(document, span.start, known);
            let message = match (said, document.text.get(span.clone())) {
                ("duplicate key", Some(key)) => format!("`{key}` is there twice: keep one"),
                _ => format!("this is no TOML: {said}"),
            };
            Finding { position: position(document, &Place::File(span), &masks), key: String::new(), message }
        })
        .collect()
}

/// What must not be shown of a line that could not be parsed: everything behind the first `=`, unless
/// the key is one that holds no secret and nothing else on the line looks like one. A line without
/// key may be the rest of a broken secret; only headers and comments are shown of those.
fn masks(document: &Document, at: usize, known: &[KnownKey]) -> Vec<Range<usize>> {
    let line = document.line_around(at);
    let text = &document.text[line.clone()];
    let folded = text.to_lowercase();
    let looks_secret = ["secret", "token", "passw", "://"].iter().any(|word| folded.contains(word));
    let is_key = |key: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c);
        !key.trim().is_empty() && key.chars().all(plain)
    };
    match text.split_once('=') {
        Some((key, value)) if is_key(key) => {
            let last = key.rsplit('.').next().unwrap_or(key).trim();
            let plain = known.iter().any(|known| known.key == last && !known.secret);
            let behind = line.end - value.trim_start().len();
            if plain && !looks_secret { vec![] } else { std::iter::once(behind..line.end).collect() }
        }
        None if text.trim_start().starts_with(['[', '#']) && !looks_secret => vec![],
        _ => std::iter::once(line).collect(),
    }
}
