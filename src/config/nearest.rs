//! The word that was probably meant.

/// The candidate with the fewest typing slips from `word`; `None` when all are too far away.
pub(super) fn of<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    if word.len() > 64 {
        return None; // Nobody meant this, and comparing takes time.
    }
    let allowed = (word.chars().count() / 3).max(1);
    let near = candidates.iter().map(|candidate| (slips(word, candidate), *candidate));
    near.filter(|(slips, _)| *slips <= allowed).min().map(|(_, candidate)| candidate)
}

/// Letters to add, leave out, replace or swap with their neighbour (optimal string alignment).
fn slips(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<_>>()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_keyboard_are_guessed_and_others_are_not() {
        let keys = ["port", "host", "password", "secret", "secret_file", "ping_every"];
        let table = [
            ("prot", Some("port")),
            ("Host", Some("host")),
            ("secrt", Some("secret")),
            ("ping-every", Some("ping_every")),
            ("ping", None),
            ("colour", None),
            ("", None),
        ];
        for (word, expected) in table {
            assert_eq!(of(word, &keys), expected, "{word}");
        }
    }
}
