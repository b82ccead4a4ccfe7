//! Cuts the byte stream of AMI into messages, without I/O.
//!
//! A message is a block of `Key: Value` lines closed by an empty line; the first line of a connection
//! is the banner and stands alone. Where lines begin and end and where their keys end is found once
//! and kept in a list that is used again for the next block, so that cutting allocates nothing once
//! the buffer has its size.
//!
//! A line or a block beyond the limits is counted and left out, whatever its bytes; what follows it is
//! whole again.
//!
//! Deliberately absent: decoding and meaning ([`super::message`]), and the free text of `Command`
//! answers, which nobody here asks for.

use memchr::{memchr, memmem};

use super::message::Message;

/// The longest line taken, in bytes. Lines of `VarSet` and `AppData` may be long, not this long.
pub const LINE_LIMIT: usize = 64 * 1024;

/// The longest block taken, in bytes, without its lines that are too long.
pub const BLOCK_LIMIT: usize = 1024 * 1024;

/// A buffer that one huge block has made larger than this is given back.
const BUFFER_KEPT: usize = 256 * 1024;

/// The end of a `Response: Follows` block (Asterisk 13 and older).
const END_OF_COMMAND: &[u8] = b"--END COMMAND--";

/// Cuts bytes into messages.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the block under way begins.
    block: usize,
    /// Where the line under way begins.
    line: usize,
    /// Up to here there is no line end that has not been seen.
    searched: usize,
    /// The lines of the block, relative to its beginning.
    lines: Vec<Line>,
    /// The block was given out and is over.
    given: bool,
    /// The first line of the connection has been seen.
    greeted: bool,
    /// The block under way ends with [`END_OF_COMMAND`], not with an empty line.
    follows: bool,
    /// The line under way is too long: its bytes are not kept.
    long_line: bool,
    /// The block under way is too long: its lines are not kept.
    long_block: bool,
    broken_lines: u64,
    too_long: u64,
}

/// Where a line of a block lies, relative to the beginning of the block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) start: u32,
    /// The end of the key.
    pub(super) colon: u32,
    /// The beginning of the value.
    pub(super) value: u32,
    pub(super) end: u32,
}

impl Framer {
    /// A framer for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.forget_given();
        if self.block == self.buffer.len() {
            self.buffer.clear();
            if self.buffer.capacity() > BUFFER_KEPT && bytes.len() <= BUFFER_KEPT {
                self.buffer.shrink_to(BUFFER_KEPT);
            }
            (self.block, self.line, self.searched) = (0, 0, 0);
        } else if self.block >= self.buffer.len() / 2 {
            self.buffer.drain(..self.block);
            self.line -= self.block;
            self.searched -= self.block;
            self.block = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next whole message; `None` means that more bytes are needed.
    pub fn take(&mut self) -> Option<Message<'_>> {
        self.forget_given();
        loop {
            let Some(offset) = find(b'\n', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                if self.line_is_too_long(self.searched) {
                    self.cut_off(self.searched);
                }
                return None;
            };
            let end = self.searched + offset;
            if self.line_is_too_long(end) {
                self.cut_off(end + 1);
                self.long_line = false;
                continue;
            }
            let start = self.line;
            self.line = end + 1;
            self.searched = self.line;
            if self.block_is_too_long() {
                self.skip_line_of_long_block(start);
                continue;
            }
            let line = without_carriage_return(&self.buffer[start..end]);

            if self.follows {
                if line.ends_with(END_OF_COMMAND) {
                    self.follows = false;
                    return Some(self.give());
                }
                if let Some(line) = index(line, start - self.block)
                    && is_header_of_command_output(&self.buffer[self.block..], line)
                {
                    self.lines.push(line);
                }
            } else if line.is_empty() {
                // Debian's builds send a second empty line after some TestEvents.
                if self.lines.is_empty() {
                    self.block = self.line;
                } else {
                    return Some(self.give());
                }
            } else if let Some(indexed) = index(line, start - self.block) {
                self.greeted = true;
                if self.lines.is_empty() && line.eq_ignore_ascii_case(b"Response: Follows") {
                    self.follows = true;
                }
                self.lines.push(indexed);
            } else if self.greeted {
                self.broken_lines += 1;
            } else {
                self.greeted = true;
                self.given = true;
                return Some(Message::banner(&self.buffer[start..start + line.len()]));
            }
        }
    }

    /// How many lines without a colon were skipped so far.
    pub fn broken_lines(&self) -> u64 {
        self.broken_lines
    }

    /// How many lines and blocks beyond the limits were left out so far.
    pub fn too_long(&self) -> u64 {
        self.too_long
    }

    fn give(&mut self) -> Message<'_> {
        self.given = true;
        Message::new(&self.buffer[self.block..self.line], &self.lines)
    }

    fn forget_given(&mut self) {
        if self.given {
            self.given = false;
            self.block = self.line;
            self.lines.clear();
        }
    }

    /// Whether the line that reaches up to here is too long; counts it once, however it was split.
    fn line_is_too_long(&mut self, reached: usize) -> bool {
        if !self.long_line && reached - self.line > LINE_LIMIT {
            self.long_line = true;
            self.too_long += 1;
        }
        self.long_line
    }

    /// Takes what there is of the line under way out of the buffer, up to `end`.
    fn cut_off(&mut self, end: usize) {
        self.buffer.drain(self.line..end);
        self.searched = self.line;
    }

    /// Whether the block is too long with the line that has just ended. Only whole lines count, so
    /// that no split matters.
    fn block_is_too_long(&mut self) -> bool {
        if !self.long_block && self.line - self.block > BLOCK_LIMIT {
            self.long_block = true;
            self.too_long += 1;
            self.lines.clear();
        }
        self.long_block
    }

    /// Leaves the line out that begins at `start`, and looks whether the block ends with it.
    fn skip_line_of_long_block(&mut self, start: usize) {
        let line = without_carriage_return(&self.buffer[start..self.line - 1]);
        let ends = if self.follows { line.ends_with(END_OF_COMMAND) } else { line.is_empty() };
        if ends {
            self.follows = false;
            self.long_block = false;
        }
        self.block = self.line;
    }
}

/// Finds key and value; `None` when there is no colon. The split is at the first `: `, because a key
/// of Asterisk 11 holds a channel's name, which may hold colons; else at the first colon.
fn index(line: &[u8], start: usize) -> Option<Line> {
    let first = find(b':', line)?;
    let colon = match line.get(first + 1) {
        None | Some(b' ') => first,
        Some(_) => memmem::find(&line[first..], b": ").map_or(first, |later| first + later),
    };
    let value = if line.get(colon + 1) == Some(&b' ') { colon + 2 } else { colon + 1 };
    // The block limit is far below 4 GiB.
    let at = |offset: usize| (start + offset) as u32;
    Some(Line { start: at(0), colon: at(colon), value: at(value), end: at(line.len()) })
}

/// Like `memchr`, but quicker for what is near: keys and lines of AMI have some ten and twenty bytes, and
/// the call to a function that is chosen at run time costs more than looking at eight bytes at once.
/// With it cutting takes half the time (`make bench`).
#[inline]
fn find(wanted: u8, bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const NEAR: usize = 6;
    let (words, _) = bytes.as_chunks::<8>();
    for (nr, word) in words.iter().take(NEAR).enumerate() {
        let zero_where_wanted = u64::from_le_bytes(*word) ^ (ONES * u64::from(wanted));
        // The lowest set bit marks the first byte that is zero; those above it may be wrong.
        let marks = zero_where_wanted.wrapping_sub(ONES) & !zero_where_wanted & (ONES << 7);
        if marks != 0 {
            return Some(nr * 8 + marks.trailing_zeros() as usize / 8);
        }
    }
    let seen = words.len().min(NEAR) * 8;
    memchr(wanted, &bytes[seen..]).map(|offset| seen + offset)
}

fn without_carriage_return(mut line: &[u8]) -> &[u8] {
    while let [shorter @ .., b'\r'] = line {
        line = shorter;
    }
    line
}

/// The free text of a command's output may look like keys, even like an `Event:`.
fn is_header_of_command_output(block: &[u8], line: Line) -> bool {
    let key = &block[line.start as usize..line.colon as usize];
    key.eq_ignore_ascii_case(b"ActionID") || key.eq_ignore_ascii_case(b"Privilege")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::Kind;
    use super::*;

    /// All messages, written out: what was told apart must stay apart. Then the broken and the long ones.
    fn cut(pieces: &[&[u8]]) -> (Vec<String>, u64, u64) {
        let mut framer = Framer::new();
        let mut told = Vec::new();
        for piece in pieces {
            framer.push(piece);
            while let Some(message) = framer.take() {
                told.push(format!("{:?} {message:?}", message.kind()));
            }
            assert!(framer.buffer.len() <= BLOCK_LIMIT + LINE_LIMIT + piece.len(), "memory is not bounded");
        }
        (told, framer.broken_lines(), framer.too_long())
    }

    fn events(text: &str) -> Vec<String> {
        let mut framer = Framer::new();
        framer.push(text.as_bytes());
        let mut names = Vec::new();
        while let Some(message) = framer.take() {
            names.push(match message.kind() {
                Kind::Banner(text) => format!("banner {text}"),
                Kind::Event(name) => name.to_owned(),
                Kind::Response(status) => format!("response {status}"),
                Kind::Other => "other".to_owned(),
            });
        }
        names
    }

    #[test]
    fn the_banner_stands_alone_and_blocks_end_with_an_empty_line() {
        let text =
            "Asterisk Call Manager/11.0.0\r\nResponse: Success\r\n\r\nEvent: Hangup\r\nCause: 16\r\n\r\n";
        assert_eq!(events(text), ["banner Asterisk Call Manager/11.0.0", "response Success", "Hangup"]);
    }

    #[test]
    fn bare_line_feeds_and_stray_empty_lines_do_no_harm() {
        let text = "\r\n\nHello\nEvent: A\n\n\n\r\n\r\nEvent: B\r\r\nX: 1\r\n\n";
        assert_eq!(events(text), ["banner Hello", "A", "B"]);
    }

    #[test]
    fn a_stream_that_begins_in_the_middle_has_no_banner() {
        assert_eq!(events("Event: A\r\n\r\nEvent: B\r\n\r\n"), ["A", "B"]);
    }

    #[test]
    fn a_broken_line_is_counted_and_the_other_lines_of_its_block_stay() {
        let mut framer = Framer::new();
        framer.push(b"Hello\r\nEvent: Hangup\r\nwhat is this\r\nCause: 16\r\n\r\nrubbish\r\n\r\n");
        assert!(framer.take().is_some());
        let message = framer.take().unwrap();
        assert_eq!(message.get("Cause"), Some(&b"16"[..]));
        assert!(framer.take().is_none());
        assert_eq!(framer.broken_lines(), 2);
    }

    #[test]
    fn asterisk_13_ends_command_output_with_a_line_of_its_own() {
        let text = "Hello\r\nResponse: Follows\r\nPrivilege: Command\r\nActionID: 7\r\nName  Secret\n\nEvent: Fake\n\
                    last --END COMMAND--\r\n\r\nEvent: Real\r\n\r\n";
        assert_eq!(events(text), ["banner Hello", "response Follows", "Real"]);
        let mut framer = Framer::new();
        framer.push(text.as_bytes());
        framer.take().unwrap();
        assert_eq!(framer.take().unwrap().get("actionid"), Some(&b"7"[..]));
        assert_eq!(framer.broken_lines(), 0);
    }

    #[test]
    fn a_line_of_64_kib_is_taken_and_a_longer_one_is_left_out_of_its_block() {
        let block = |length: usize| {
            format!("Event: X\r\nA: {}\nB: 1\r\n\r\nEvent: Y\r\n\r\n", "v".repeat(length - 3))
        };
        let taken = |text: &str| {
            let mut framer = Framer::new();
            framer.push(text.as_bytes());
            let message = framer.take().unwrap();
            let keys = (message.get("A").map(<[u8]>::len), message.get("B"));
            assert_eq!(keys.1, Some(&b"1"[..]));
            let a = keys.0;
            assert_eq!(framer.take().unwrap().kind(), Kind::Event("Y"));
            (a, framer.too_long())
        };
        assert_eq!(taken(&block(LINE_LIMIT)), (Some(LINE_LIMIT - 3), 0));
        assert_eq!(taken(&block(LINE_LIMIT + 1)), (None, 1));
    }

    #[test]
    fn a_line_that_never_ends_is_not_gathered() {
        let mut framer = Framer::new();
        framer.push(b"Event: X\r\nA: ");
        for _ in 0..1000 {
            framer.push(&[b'x'; 10_000]);
            assert!(framer.take().is_none());
            assert!(framer.buffer.len() < 2 * LINE_LIMIT);
        }
        framer.push(b"\r\nB: 1\r\n\r\n");
        assert_eq!(framer.take().unwrap().get("B"), Some(&b"1"[..]));
        assert_eq!(framer.too_long(), 1);
    }

    #[test]
    fn a_block_that_is_too_long_is_left_out_and_the_next_one_is_whole() {
        let line = "Variable: x=y\r\n".repeat(BLOCK_LIMIT / 15 + 1);
        let text = format!("Hello\r\nEvent: Long\r\n{line}{line}\r\nEvent: Next\r\n\r\n");
        assert_eq!(events(&text), ["banner Hello", "Next"]);
        let (_, broken, too_long) = cut(&[text.as_bytes()]);
        assert_eq!((broken, too_long), (0, 1));
    }

    #[test]
    fn the_output_of_a_command_that_is_too_long_is_left_out_up_to_its_own_end() {
        let rows = "row\n\n".repeat(BLOCK_LIMIT / 5 + 1);
        let text = format!("Hello\r\nResponse: Follows\r\n{rows}--END COMMAND--\r\n\r\nEvent: Next\r\n\r\n");
        assert_eq!(events(&text), ["banner Hello", "Next"]);
    }

    #[test]
    fn the_buffer_of_a_huge_block_is_given_back() {
        let mut framer = Framer::new();
        framer.push("Variable: x=y\r\n".repeat(60_000).as_bytes());
        framer.push(b"\r\n");
        assert!(framer.take().is_some());
        framer.push(b"Event: A\r\n\r\n");
        assert!(framer.buffer.capacity() <= BUFFER_KEPT);
        assert!(framer.take().is_some());
    }

    /// Text made of the things that matter to a framer, and a few bytes that do not.
    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            Just(b"\r\n".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n\r\n".to_vec()),
            Just(b"Event: Newchannel\r\n".to_vec()),
            Just(b"Response: Follows\r\n".to_vec()),
            Just(b"--END COMMAND--\r\n".to_vec()),
            Just(b"ChanVariable(SIP/a:1-2): x=y\n".to_vec()),
            Just(b": ".to_vec()),
            Just(b"Caller".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..12),
        ];
        proptest::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn the_first_byte_is_found_wherever_it_is(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(0x0B), Just(0x8A), any::<u8>()], 0..80),
            wanted in prop_oneof![Just(b'\n'), any::<u8>()],
        ) {
            prop_assert_eq!(find(wanted, &bytes), bytes.iter().position(|byte| *byte == wanted));
        }

        #[test]
        fn no_split_matters(stream in streams(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8)) {
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            places.extend([0, stream.len()]);
            places.sort_unstable();
            let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            prop_assert_eq!(cut(&pieces), cut(&[&stream]));
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            prop_assert_eq!(cut(&bytes), cut(&[&stream]));
        }

        #[test]
        fn no_split_matters_at_the_limits(
            lines in proptest::collection::vec(1usize..80_000, 1..20),
            size in 1usize..70_000,
        ) {
            let stream: Vec<u8> = lines
                .iter()
                .flat_map(|length| [b"K: ", vec![b'v'; *length].as_slice(), b"\r\n"].concat())
                .collect();
            let pieces: Vec<&[u8]> = stream.chunks(size).collect();
            prop_assert_eq!(cut(&pieces), cut(&[&stream]));
        }

        #[test]
        fn no_bytes_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..8)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            cut(&pieces);
        }
    }
}
