//! What a call costs: the requests of each kind of call, from the ring to the end of its wrap-up. The table
//! `benches/requests_per_call.md` is made here and goes into BENCHMARKS.md; `RINGDESK_WRITE_TABLES=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use ringdesk::run::Daemon;
use serde_json::json;

use crate::house::*;

const QUEUE: &str = "ast22/a-queue-caller-hangs-up";
const BLIND: &str = "ast22/f-blind-transfer";
const ATTENDED: &str = "own22/attended-transfer";
const ABANDONED: &str = "ast22/d-queue-abandoned";
const VOICEMAIL: &str = "own22/voicemail-queue";
const PETRAS: &str = "+493023125111";
const UNKNOWN: &str = "+493055512399";
const SHORT: Duration = Duration::from_millis(100);

const MISSED: &str = "on_abandoned = true\non_voicemail = true\nmerge_missed_within = \"2s\"";
const COUNTER: &str = "[[group]]\nqueue = \"counter\"\nname = \"counter\"\nzendesk = \"Support\"\n";
const FIELDS: &str = r#"
[[field]]
ticket = "Called number"
value = "{dialled}"
[[field]]
ticket = "Outcome"
value = "{outcome}"
[[field]]
tag = "ended_by_{hung_up_by}"
"#;

/// The capture with another caller.
fn tape(capture: &str, caller: &str) -> Tape {
    let (tape, truth) = Tape::of(capture, SHORT);
    tape.with(truth["calls"][0]["number_e164"].as_str().unwrap(), caller)
}

/// Plays it and gives its requests, those until the ticket is open and those that follow.
async fn cost(
    house: &House,
    daemon: &Daemon,
    tape: &Tape,
    meanwhile: impl FnOnce(&Ticket),
) -> [Vec<String>; 2] {
    let before = house.requests_so_far();
    let tickets = house.tickets().len();
    house.board.play(tape).await;
    let ticket = house.settled(daemon, tickets + 1).await.pop().unwrap();
    let opened = house.requests_so_far();
    meanwhile(&ticket);
    house.over(daemon, tickets + 1).await;
    house.clean();
    let all = house.requests(before);
    let after = house.requests(opened);
    [all[..all.len() - after.len()].to_vec(), after]
}

/// One row of the table.
struct Row {
    call: &'static str,
    requests: [Vec<String>; 2],
}

/// What a request is, whatever the ids in it.
fn kind(request: &str) -> String {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (path, _) = request.split_once('?').unwrap_or((request, ""));
    path.split('/')
        .map(|part| if !part.is_empty() && digits(part) { "…" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

fn cell(requests: &[String]) -> String {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for kind in requests.iter().map(|request| kind(request)) {
        match kinds.last_mut() {
            Some((last, count)) if *last == kind => *count += 1,
            _ => kinds.push((kind, 1)),
        }
    }
    let told = |(kind, count): &(String, usize)| match count {
        1 => format!("`{kind}`"),
        _ => format!("{count} × `{kind}`"),
    };
    let list: Vec<String> = kinds.iter().map(told).collect();
    match requests.len() {
        0 => "0".to_owned(),
        count => format!("{count}: {}", list.join(", ")),
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = "| Call | Until the ticket is open | After the end |\n|---|---|---|\n".to_owned();
    for Row { call, requests: [first, after] } in rows {
        let _ = writeln!(text, "| {call} | {} | {} |", cell(first), cell(after));
    }
    text
}

async fn answered(rows: &mut Vec<Row>) {
    let house = House::new().await;
    let daemon = house.daemon().await;
    let mut row = async |call, tape: Tape| {
        rows.push(Row { call, requests: cost(&house, &daemon, &tape, |_| {}).await });
    };
    row("known caller", tape(QUEUE, PETRAS)).await;
    row("known caller, blind transfer", tape(BLIND, PETRAS)).await;
    row("known caller, attended transfer", tape(ATTENDED, PETRAS)).await;
    row("unknown caller, default user, left there", tape(QUEUE, UNKNOWN).with("1795292763.", "1795299991."))
        .await;
    let given = tape(QUEUE, UNKNOWN).with("1795292763.", "1795299992.");
    let person = house.user("Nadja Ohne")["id"].clone();
    let give = |ticket: &Ticket| {
        house.agent("PUT", &format!("/tickets/{}", ticket.id), json!({"ticket": {"requester_id": person}}));
    };
    let requests = cost(&house, &daemon, &given, give).await;
    rows.push(Row { call: "unknown caller, default user, given to a person without a number", requests });
    daemon.stop().await;
}

async fn new_users(rows: &mut Vec<Row>) {
    let mut house = House::new().await;
    house.callers = "unknown = \"new_user\"";
    let daemon = house.daemon().await;
    let requests = cost(&house, &daemon, &tape(QUEUE, UNKNOWN), |_| {}).await;
    rows.push(Row { call: "unknown caller, new user, left there", requests });
    let other = "+493055512398";
    let merge = |_: &Ticket| {
        let (made, real) = (house.user(&format!("Caller {other}")), house.user("Nadja Ohne"));
        house.agent("PUT", &format!("/users/{}/merge", made["id"]), json!({"user": {"id": real["id"]}}));
    };
    let second = tape(QUEUE, other).with("1795292763.", "1795299991.");
    let requests = cost(&house, &daemon, &second, merge).await;
    rows.push(Row { call: "unknown caller, new user, merged into a person", requests });
    daemon.stop().await;
}

async fn missed(rows: &mut Vec<Row>) {
    let mut house = House::new().await;
    house.ticket = MISSED;
    house.tables = COUNTER;
    house.zendesk = "default_agent = \"ringdesk@example.com\"";
    let daemon = house.daemon().await;
    for (call, capture) in [
        ("known caller, abandoned, `on_abandoned`", ABANDONED),
        ("known caller, message in the mailbox, `on_voicemail`", VOICEMAIL),
    ] {
        rows.push(Row { call, requests: cost(&house, &daemon, &tape(capture, PETRAS), |_| {}).await });
    }
    daemon.stop().await;
}

/// The same with files: what is uploaded follows when the call is over.
async fn recorded(rows: &mut Vec<Row>) {
    for (call, callers, caller) in [
        ("known caller, recorded", "", PETRAS),
        ("unknown caller, new user, recorded", "unknown = \"new_user\"", UNKNOWN),
    ] {
        let mut house = House::new().await;
        house.callers = callers;
        (house.group, house.recording) = ("record = true", Some(""));
        let daemon = house.daemon().await;
        let requests = cost_in_order(&house, &daemon, &tape(QUEUE, caller)).await;
        rows.push(Row { call, requests });
        daemon.stop().await;
    }
    let mut house = House::new().await;
    house.ticket = MISSED;
    house.tables = COUNTER;
    house.zendesk = "default_agent = \"ringdesk@example.com\"";
    house.recording = Some("voicemail = true\npath_map = [\"/tmp/rg22/spool/voicemail=MONITOR\"]");
    let inbox = house.monitor().join("groups/607/INBOX");
    std::fs::create_dir_all(&inbox).unwrap();
    let daemon = house.daemon().await;
    let written = async {
        until("the call", || daemon.status().desk.borrow().up == 1).await;
        std::fs::write(inbox.join("msg0000.wav"), wav(&SOUND, 16_000)).unwrap();
    };
    let play = tape(VOICEMAIL, PETRAS);
    let (requests, ()) = tokio::join!(cost_in_order(&house, &daemon, &play), written);
    rows.push(Row { call: "known caller, message in the mailbox with its audio", requests });
    daemon.stop().await;
}

/// As [`cost`]; what makes the ticket ends with the first request that opens or makes it, because files are quick here.
async fn cost_in_order(house: &House, daemon: &Daemon, tape: &Tape) -> [Vec<String>; 2] {
    let before = house.requests_so_far();
    house.board.play(tape).await;
    house.over(daemon, 1).await;
    house.clean();
    let mut all = house.requests(before);
    let made = |line: &String| line.starts_with("POST /") && line.ends_with("/tickets");
    let after = all.split_off(all.iter().position(made).unwrap() + 1);
    [all, after]
}

async fn fields(rows: &mut Vec<Row>) {
    let mut house = House::new().await;
    house.tables = FIELDS;
    let daemon = house.daemon().await;
    // The account's fields are read once, at the start.
    until("the fields", || house.requests(0).iter().any(|line| line.contains("/ticket_fields"))).await;
    let requests = cost(&house, &daemon, &tape(QUEUE, PETRAS), |_| {}).await;
    rows.push(Row { call: "known caller, two `[[field]]` of the ticket and a tag", requests });
    daemon.stop().await;
}

/// All that one call can want of its ticket.
async fn longest(rows: &mut Vec<Row>) {
    let mut house = House::new().await;
    house.tables = FIELDS;
    house.callers = "unknown = \"new_user\"";
    house.zendesk = "calls_app_id = 9300000005001";
    let daemon = house.daemon().await;
    until("the fields", || house.requests(0).iter().any(|line| line.contains("/ticket_fields"))).await;
    let requests = cost(&house, &daemon, &tape(ATTENDED, UNKNOWN), |_| {}).await;
    rows.push(Row { call: "unknown caller, new user, attended transfer, fields, call record", requests });
    daemon.stop().await;
}

#[tokio::test]
async fn the_table_of_requests_per_call_is_as_counted() {
    let mut rows = Vec::new();
    answered(&mut rows).await;
    new_users(&mut rows).await;
    missed(&mut rows).await;
    recorded(&mut rows).await;
    fields(&mut rows).await;
    longest(&mut rows).await;
    let counted = table(&rows);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/requests_per_call.md");
    if std::env::var_os("RINGDESK_WRITE_TABLES").is_some() {
        std::fs::write(&file, &counted).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), counted);
    assert_eq!(rows[0].requests.each_ref().map(Vec::len), [1, 0], "a known caller costs one request");
    for Row { call, requests } in &rows {
        let changes = |line: &&String| {
            line.starts_with("PUT /tickets/") || line.starts_with("POST ") && line.contains("tickets")
        };
        let count = requests.iter().flatten().filter(changes).count();
        assert!(
            count <= 1 + 4,
            "{call}: a ticket is changed at most four times after it was made: {requests:?}"
        );
    }
}
