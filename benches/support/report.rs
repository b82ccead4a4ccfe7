//! Figures become a page that a reader understands.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use ringdesk::clock::Clock;

use crate::answer;
use crate::archive;
use crate::journal::Committed;
use crate::phonebook;

/// What was measured so far.
#[derive(Default)]
pub struct Report {
    goals: Vec<Goal>,
    sections: Vec<String>,
    /// Medians of one call's commit and of a plain durable write, in milliseconds.
    durable: Option<[f64; 2]>,
}

/// A promise and what came of it.
struct Goal {
    what: &'static str,
    goal: &'static str,
    figure: String,
    reached: bool,
    /// What is said when it is missed.
    missed: String,
}

impl Report {
    fn goal(
        &mut self,
        what: &'static str,
        goal: &'static str,
        figure: String,
        reached: bool,
        missed: impl Into<String>,
    ) {
        self.goals.push(Goal { what, goal, figure, reached, missed: missed.into() });
    }

    /// AMI events a second, sorted: cut, through the session, translated; and translated behind our filter.
    pub fn ami(&mut self, rounds: &[Vec<f64>; 4], bytes: usize) {
        let median = |rounds: &[f64]| rounds[rounds.len() / 2];
        let best = |rounds: &[f64]| rounds[rounds.len() - 1];
        let [.., translated, _] = rounds;
        self.goal(
            "AMI events a second, one core, typed and translated",
            "≥ 1 000 000",
            thousands(median(translated)),
            median(translated) >= 1e6,
            "The table below tells where the time goes.",
        );
        let whats = [
            "cut and named",
            "through the session as well",
            "translated as well",
            "the same for the events of queue calls that our filter lets through",
        ];
        let mut text = format!(
            "## AMI events a second\n\n\
             One core; bytes ▸ frame ▸ message ▸ session ▸ translate as the driver does it, in pieces of 64 KiB. \
             The stream is all captures of real Asterisks 16 and 22 in turn, with fresh ids each time \
             ({bytes} bytes an event), everything that an account may read. Seven rounds, all ways in turn.\n\n\
             | How far | Events a second, median | ns an event | best round |\n|---|--:|--:|--:|\n"
        );
        for (what, rounds) in whats.into_iter().zip(rounds) {
            let (median, best) = (median(rounds), best(rounds));
            let _ = writeln!(
                text,
                "| {what} | {} | {:.0} | {} |",
                thousands(median),
                1e9 / median,
                thousands(best)
            );
        }
        self.sections.push(text);
    }

    /// Commits of the journal.
    pub fn journal(&mut self, all: &[Committed]) {
        let mut text = "## The durable write\n\n\
             What is written when so many calls are answered at the same moment (state, story, owed ticket), in \
             one commit of the journal; against a plain write of as many bytes with `fdatasync` on the same disk, to a file \
             that grows and into blocks that are there already. Milliseconds; rounds of the three in turn.\n\n\
             | Calls at once | What | p50 | p90 | p99 | longest |\n|--:|---|--:|--:|--:|--:|\n"
            .to_owned();
        for Committed { calls, commit, append, overwrite } in all {
            for (what, sample) in [
                ("journal commit", commit),
                ("append, `fdatasync`", append),
                ("overwrite, `fdatasync`", overwrite),
            ] {
                let _ = writeln!(text, "| {calls} | {what} | {} |", sample.cells());
            }
        }
        if let [one, .., fifty] = all {
            self.durable = Some([one.commit.percentile(50), one.append.percentile(50)]);
            let _ = write!(
                text,
                "\nA commit for one call costs {:.2} × the appended write; for {} calls at once, {:.3} ms a call.\n",
                one.commit.percentile(50) / one.append.percentile(50),
                fifty.calls,
                fifty.commit.percentile(50) / fifty.calls as f64
            );
        }
        self.sections.push(text);
    }

    /// The phone book.
    pub fn phonebook(&mut self, measured: phonebook::Measured) {
        let phonebook::Measured { hit, miss, bytes, opened } = measured;
        self.goal(
            "phone-book look-up among 1 000 000",
            "≤ 1 µs",
            format!("{:.2} µs found, {:.2} µs not found", hit / 1e3, miss / 1e3),
            hit <= 1e3 && miss <= 1e3,
            "Both are waits for memory.",
        );
        self.goal(
            "memory a number at 1 000 000",
            "≤ 64 bytes",
            format!("{bytes:.0} bytes"),
            bytes <= 64.0,
            "The printed book itself takes 45 bytes a number (a unit test counts them); the rest is what was used \
             while it was read and printed, and kept by the allocator.",
        );
        self.sections.push(format!(
            "## The phone book\n\n\
             1 000 000 people with one number each and names of 17 bytes, looked up in no order of the memory, by the public \
             `PhoneBook::find`, locks and answer included. Memory is the growth of the resident size of a process that opens \
             the kept book, all caches of SQLite included; opening takes {opened:.1} s.\n"
        ));
    }

    /// Copies to a share.
    pub fn archive(&mut self, all: &[archive::Measured]) {
        let median = |seconds: &[f64]| seconds[seconds.len() / 2];
        let [small, large, one] = all else { unreachable!("three sets are measured") };
        for (what, set) in [("SMB copy of 200 × 1 MB", small), ("SMB copy of 1 × 500 MB", large)] {
            let (ours, theirs) = (median(&set.ringdesk), median(&set.smbclient));
            self.goal(
                what,
                "as fast as `smbclient put` in the same run",
                format!("{ours:.2} s against {theirs:.2} s"),
                ours <= theirs,
                "Each copy is written to the server's disk (FLUSH), read back as a whole, hashed on both sides and renamed; \
                 `smbclient put` writes and looks at nothing. A night has time for it: a ten-minute call has 10 MB.",
            );
        }
        self.goal(
            "memory of the copying process, 500 MB",
            "flat",
            format!("{:.1} MB, and {:.1} MB for 1 MB", large.memory, one.memory),
            large.memory - one.memory <= 24.0,
            "The pieces under way, on both sides.",
        );
        let mut text = format!(
            "## Copies to a share\n\n\
             `ringdesk archive now` (client `smb2`) and `smbclient` with one `mput`, each a process of its own, its start and \
             log-in included, to one Samba on this machine; {} rounds in turn, seconds. Ringdesk also flushes, reads back, compares \
             hashes and renames. Memory is the peak of the resident size.\n\n\
             | | ringdesk, median | best | `smbclient put`, median | best | memory |\n|---|--:|--:|--:|--:|--:|\n",
            small.ringdesk.len()
        );
        for archive::Measured { what, ringdesk, smbclient, memory } in all {
            let (ours, theirs) = (median(ringdesk), median(smbclient));
            let _ = writeln!(
                text,
                "| {what} | {ours:.2} | {:.2} | {theirs:.2} | {:.2} | {memory:.1} MB |",
                ringdesk[0], smbclient[0]
            );
        }
        self.sections.push(text);
    }

    /// The whole daemon.
    pub fn answer(&mut self, measured: &answer::Measured) {
        let answer::Measured { ringdesk, floor, cpu, events, memory, requests, calls, wrong } = measured;
        let [median, late] = [50, 99].map(|percent| ringdesk.percentile(percent));
        let ratio = [50, 99].map(|percent| ringdesk.percentile(percent) / floor.percentile(percent));
        self.goal(
            "answer → ticket request, 50 calls/s, p50 / p99",
            "≤ 0.46 / 2 ms with the durable write in it",
            format!("{median:.2} / {late:.2} ms"),
            median <= 0.46 && late <= 2.0,
            format!(
                "The goal is the figure of a program that writes nothing down, from another machine. Here the floor program, which \
                 does nothing but the durable write and the request, takes {:.2} / {:.2} ms.",
                floor.percentile(50),
                floor.percentile(99)
            ),
        );
        self.goal(
            "the same against the floor program",
            "≤ 1.5 ×",
            format!("{:.2} × (p50), {:.2} × (p99)", ratio[0], ratio[1]),
            ratio[0] <= 1.5,
            "A commit of the journal costs some three plain durable writes: SQLite writes half a dozen pages instead of \
             one, and sqlx hands the end of each of seven statements to another thread. An answer may also find the commit \
             of another call under way. And the way through the daemon has some ten hand-overs between tasks and threads \
             (socket, translator, desk, SQLite's thread and back, dispatcher, delivery, HTTP) where the floor has three; \
             each wakes a processor that sleeps between two calls.",
        );
        self.goal(
            "processor time of a call (goal: 47 events)",
            "≤ 0.6 ms",
            format!("{cpu:.2} ms ({events} events)"),
            *cpu <= 0.6,
            "A profile (`perf`, 2026-11-26) gives 43 % to SQLite's thread, a third of that to the kernel for `fsync` and \
             writes, the rest to five statements over JSON a commit. The request takes 11 %, the desk and the state machine \
             21 %, AMI 8 %; the rest is waking threads. The 1.2 ms of the program that the goal halves write nothing down.",
        );
        self.goal(
            "resident memory at 50 calls/s, 10 000 people",
            "≤ 20 MB",
            format!("{:.1} MB", memory[1]),
            memory[1] <= 20.0,
            "Before the first number is read there are 14 MB of the program's own pages and 12 MB of tables for the \
             telephone numbers of all countries; then the pages of the export, whose memory the allocator keeps. The people \
             themselves take 0.6 MB, calls some 4 kB each.",
        );
        self.goal(
            "requests of a known caller, ring to pop",
            "1",
            format!("{requests:.3}"),
            (*requests - 1.0).abs() < 0.005 && *wrong == [0, 0],
            "Requests of the directory are counted with them.",
        );
        let share = self.durable.map_or_else(String::new, |[commit, plain]| {
            format!(
                "Of the median answer a commit alone is {:.0} % (a plain durable write would be {:.0} %).",
                100.0 * commit / median,
                100.0 * plain / median
            )
        });
        self.sections.push(format!(
            "## From the answer to the ticket\n\n\
             The real process `ringdesk run`, {calls} calls of known callers at 50 a second, as a real Asterisk 22 tells a queue \
             call ({events} events, those that our event filter lets through): the phones ring 1.2 s, they talk 3 s, the \
             wrap-up takes 30 s. 10 000 people in the phone book. The CRM answers a ticket after 20 ms. Measured from the \
             first byte of the burst that tells the answer leaving the PBX to the first byte of the request reaching the CRM; on this \
             way lie the cutting, the decision, the durable commit and HTTP. The floor program \
             (`benches/support/floor.rs`) reads a line, appends a record, calls `fdatasync` and sends a request over a kept \
             connection, before and after in the same run. Milliseconds.\n\n\
             | | calls | p50 | p90 | p99 | longest |\n|---|--:|--:|--:|--:|--:|\n\
             | ringdesk | {} | {} |\n| floor | {} | {} |\n\n\
             {share} {} calls without a ticket, {} with two. Processor time (user and system, all threads, from the first ring to the end \
             of the last wrap-up): {cpu:.2} ms a call. Resident memory: {:.1} MB before the first call, {:.1} MB at most.\n",
            ringdesk.count(),
            ringdesk.cells(),
            floor.count(),
            floor.cells(),
            wrong[0],
            wrong[1],
            memory[0],
            memory[1],
        ));
    }

    /// The page.
    pub fn text(&self) -> String {
        let mut text = format!(
            "# Benchmarks\n\nMade by `make bench`, which writes this file. {}\n\n\
             | What | Goal | Here | |\n|---|---|---|---|\n",
            machine()
        );
        for Goal { what, goal, figure, reached, .. } in &self.goals {
            let word = if *reached { "reached" } else { "**missed**" };
            let _ = writeln!(text, "| {what} | {goal} | {figure} | {word} |");
        }
        let missed: Vec<&Goal> = self.goals.iter().filter(|goal| !goal.reached).collect();
        if !missed.is_empty() {
            text.push_str("\nWhat is missed, and why:\n\n");
            for Goal { what, missed, .. } in missed {
                let _ = writeln!(text, "- {what}: {missed}");
            }
        }
        for section in &self.sections {
            let _ = write!(text, "\n{section}");
        }
        text.push_str(
            "\n## Requests per call\n\n\
             What a call costs of the account's requests, counted by the test \
             `the_table_of_requests_per_call_is_as_counted` through the whole daemon. `GET /users/search` is asked once for each form \
             in which a number may have been written, and for nobody the phone book knows.\n\n",
        );
        text.push_str(include_str!("../requests_per_call.md"));
        text
    }
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models: Vec<&str> =
        cpus.lines().filter_map(|line| line.strip_prefix("model name")?.split(": ").nth(1)).collect();
    let memory = read("/proc/meminfo");
    let memory = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0);
    let load = read("/proc/loadavg");
    let rust = Command::new("rustc").arg("--version").output().ok();
    let rust = rust.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    format!(
        "{}, ringdesk {}, {}, Linux {}, {} × {}, {:.0} GB of memory; load average at the end {}. \
         All peers run on the same machine.",
        Clock::system().now().strftime("%Y-%m-%d"),
        env!("CARGO_PKG_VERSION"),
        rust.trim(),
        read("/proc/sys/kernel/osrelease").trim(),
        models.len(),
        models.first().unwrap_or(&"unknown processor"),
        memory * 1024.0 / 1e9,
        load.split_whitespace().next().unwrap_or("unknown"),
    )
}

/// `1234567` as `1 234 567`.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
