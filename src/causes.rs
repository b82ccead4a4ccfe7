//! An error together with its causes, as a person reads it.
//!
//! An error's own text does not repeat its cause, so whoever shows one to a person shows the chain.

use std::error::Error;

/// In one line, for the log, the status page and the journal: `cannot connect: connection refused`.
pub fn in_one_line(error: &dyn Error) -> String {
    joined(error, ": ")
}

/// One line a cause, for a terminal.
pub fn in_lines(error: &dyn Error) -> String {
    joined(error, "\n  because: ")
}

fn joined(error: &dyn Error, between: &str) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(between);
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the file")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("the disk failed")]
    struct Middle(#[source] io::Error);

    #[test]
    fn every_cause_is_told_once_and_in_order() {
        let error = Outer(Middle(io::Error::other("sector 7")));
        assert_eq!(in_one_line(&error), "cannot read the file: the disk failed: sector 7");
        assert_eq!(in_lines(&error), "cannot read the file\n  because: the disk failed\n  because: sector 7");
        assert_eq!(in_lines(&io::Error::other("alone")), "alone");
    }
}
