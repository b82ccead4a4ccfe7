//! The daemon against a real Asterisk: SIPp calls, telephones answer, and tickets must stand.
//!
//! The exchange and its calls are made by `tests/rig`; get it with `tests/rig/install.sh`. Each dialplan has
//! an exchange, a wire that can be cut, an account and a daemon (`ringdesk run`) of its own, all on free
//! ports; the two of a version are played at once, because most of the time they wait for telephones.
//! Asterisk 16 is left out where it cannot be had; without 22 the test fails.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

mod account;
mod after;
mod daemon;
mod house;
mod http;
mod kept;
mod link;
mod recorded;
mod rig;
#[path = "../archive/samba.rs"]
#[allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "it is the archive's stage, of which only a part is needed"
)]
mod samba;
mod sound;

use std::time::Duration;

use house::{DEFAULT_USER, House, Plan, becomes};
use tokio::time::Instant;

/// Groups by name; the agents are told by the exchange's voice mailboxes.
const PLAIN: &str = r#"
[[group]]
queue = "support"
wrap_up = "1s"

[[group]]
extension = "610"
name = "sales"
wrap_up = "1s"
"#;

/// Groups are numbers, as in FreePBX; the agents are listed.
const FREEPBX: &str = r#"
[[group]]
queue = "600"
name = "support"
wrap_up = "1s"

[[group]]
extension = "610"
name = "sales"
wrap_up = "1s"

[agents]
voicemail = false

[[agent]]
extension = "201"
email = "anna.weber@example.com"

[[agent]]
extension = "202"
email = "bernd.lange@example.com"

[[agent]]
extension = "203"
email = "joerg.mueller@example.com"

[[agent]]
extension = "204"
email = "dana.oezdemir@example.com"
"#;

/// How long the wire stays cut.
const CUT: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn with_asterisk_22_every_answered_call_has_one_ticket() {
    if there("22") {
        tokio::join!(
            // This account may filter events and reads `dialplan`, …
            plain("22", "ringdesk-dialplan"),
            // … and the one of the manual does not: the ring group is shown by `channelvars`.
            freepbx("22", &["--dialplan", "freepbx", "--channelvars", "NODEST"], "ringdesk"),
            after::what_follows_a_call("22"),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_asterisk_16_every_answered_call_has_one_ticket() {
    if there("16") {
        tokio::join!(plain("16", "ringdesk"), freepbx("16", &["--dialplan", "freepbx"], "ringdesk-dialplan"),);
    }
}

async fn plain(version: &'static str, username: &'static str) {
    let plan = Plan { version, rig: &[], username, unknown: "default_user", zendesk: "", config: PLAIN };
    let mut house = House::open(&plan).await;
    a_known_caller_costs_one_request(&mut house).await;
    unknown_callers_go_to_the_default_user(&mut house).await;
    transfers_take_the_ticket_along(&mut house).await;
    picked_up_phones_do_not_get_the_ticket(&mut house).await;
    two_at_once_get_a_ticket_each(&mut house).await;
    withheld_numbers_stay_hidden(&mut house, "sales").await;
    unanswered_and_foreign_calls_leave_nothing(&mut house).await;
    an_answer_while_the_wire_is_cut_is_found(&mut house).await;
    an_end_while_the_wire_is_cut_is_found(&mut house).await;
    an_answer_while_the_daemon_is_away_is_found(&mut house).await;
    a_killed_daemon_makes_no_second_ticket(&mut house).await;
    house.close(&[]).await;
}

async fn freepbx(version: &'static str, rig: &'static [&'static str], username: &'static str) {
    let plan = Plan { version, rig, username, unknown: "new_user", zendesk: "", config: FREEPBX };
    let mut house = House::open(&plan).await;
    a_known_caller_costs_one_request(&mut house).await;

    let new = unknown_callers_become_one_new_person(&mut house).await;
    let truth = house.play_one("blind-transfer", &[]).await;
    house.expect(&truth, "Karin Wolf", "support", &["201", "203"]).await;
    let truth = house.play_one("attended-transfer", &[]).await;
    house.expect(&truth, "Frank Simon", "sales", &["202", "203"]).await;
    let truth = house.play_one("pickup-directed", &["--number", "+493023125123"]).await;
    house.expect(&truth, "Rita Lorenz", "sales", &["203"]).await;
    two_at_once_get_a_ticket_each(&mut house).await;
    let truth = house.play_one("queue-abandoned", &[]).await;
    house.expect_no_ticket(&truth, "support").await;
    withheld_numbers_stay_hidden(&mut house, "sales").await;
    an_answer_while_the_wire_is_cut_is_found(&mut house).await;
    house.close(&[(new, "+493023125112")]).await;
}

/// Whether the version can be played. 22 must be there.
fn there(version: &str) -> bool {
    match rig::has(version) {
        Ok(()) => true,
        Err(missing) if version == "22" => panic!("{missing}"),
        Err(missing) => {
            // Past the harness, which keeps what passing tests print to itself.
            let line = format!("\n!!! NOT TESTED with Asterisk {version}: {missing}\n\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
            false
        }
    }
}

async fn a_known_caller_costs_one_request(house: &mut House) {
    let asked = house.account().asked();
    let truth = house.play_one("queue-answered", &[]).await;
    let id = house.expect(&truth, "Petra Sommer", "support", &["202"]).await;
    house.daemon.rests().await;
    assert_eq!(house.account().requests(asked), ["POST /channels/voice/tickets"]);
    let (_, public) = house.account().first_comment(id);
    assert!(!public, "the first comment is internal");
}

async fn unknown_callers_go_to_the_default_user(house: &mut House) {
    for agent in ["202", "201"] {
        let truth = house.play_one("ringgroup-answered", &["--agent", agent]).await;
        let id = house.expect(&truth, DEFAULT_USER, "sales", &[agent]).await;
        let (comment, _) = house.account().first_comment(id);
        assert!(comment.contains("+493023125112"), "the number can be read in the ticket: {comment}");
    }
}

async fn unknown_callers_become_one_new_person(house: &mut House) -> &'static str {
    let new = "Caller +493023125112";
    for agent in ["202", "201"] {
        let truth = house.play_one("ringgroup-answered", &["--agent", agent]).await;
        house.expect(&truth, new, "sales", &[agent]).await;
    }
    new
}

async fn transfers_take_the_ticket_along(house: &mut House) {
    let truth = house.play_one("blind-transfer", &[]).await;
    house.expect(&truth, "Karin Wolf", "support", &["201", "203"]).await;
    let truth = house.play_one("attended-transfer", &[]).await;
    house.expect(&truth, "Frank Simon", "sales", &["202", "203"]).await;
    // 204 is no agent of the group's: the ticket opens there all the same.
    let truth = house.play_one("attended-transfer-queue", &[]).await;
    house.expect(&truth, "Lena Fuchs", "support", &["202", "204"]).await;
    let truth = house.play_one("blind-transfer-unanswered", &["--number", "+493023125151"]).await;
    house.expect(&truth, "Helga Frank", "sales", &["201"]).await;
}

async fn picked_up_phones_do_not_get_the_ticket(house: &mut House) {
    let truth = house.play_one("pickup-directed", &["--number", "+493023125113"]).await;
    house.expect(&truth, "Rolf Becker", "sales", &["203"]).await;
    let truth = house.play_one("pickup-queue", &[]).await;
    house.expect(&truth, "Rita Lorenz", "support", &["204"]).await;
}

async fn two_at_once_get_a_ticket_each(house: &mut House) {
    let truths = house.play("two-at-once", &[]).await;
    let [one, two] = &truths[..] else { panic!("{truths:?}") };
    house.expect(one, "Erster Anrufer", "support", &["203"]).await;
    house.expect(two, "Zweite Anruferin", "support", &["201"]).await;
}

async fn withheld_numbers_stay_hidden(house: &mut House, group: &'static str) {
    let truths = house.play("withheld", &["--talk", "0.3"]).await;
    assert_eq!(truths.len(), 4);
    for truth in &truths {
        let id = house.expect(truth, DEFAULT_USER, group, &["201"]).await;
        let (comment, _) = house.account().first_comment(id);
        assert!(!comment.contains("23125121"), "the hidden number is shown: {comment}");
    }
}

async fn unanswered_and_foreign_calls_leave_nothing(house: &mut House) {
    let truth = house.play_one("queue-abandoned", &[]).await;
    house.expect_no_ticket(&truth, "support").await;
    let truth = house.play_one("ringgroup-all-busy", &[]).await;
    house.expect_no_ticket(&truth, "sales").await;
    for scenario in ["direct", "internal", "outbound"] {
        let truth = house.play_one(scenario, &["--talk", "0.3"]).await;
        house.expect_nothing(&truth);
    }
}

/// The agent answers while nobody hears it; the phones may ring or not when the wire is cut.
async fn an_answer_while_the_wire_is_cut_is_found(house: &mut House) {
    let mut play = house.begin("ringgroup-answered", &["--steps", "--number", "+493023125111"]);
    play.reaches("rings").await;
    becomes("the call is known before the cut", async || one_call_is_up(house).await).await;
    let since = cut(house).await;
    play.go_on().await;
    play.reaches("answered").await;
    mend(house, since).await;
    play.go_on().await;
    let truth = play.truths().await.remove(0);
    house.expect(&truth, "Petra Sommer", "sales", &["202"]).await;
}

/// The caller hangs up while nobody hears it.
async fn an_end_while_the_wire_is_cut_is_found(house: &mut House) {
    let mut play = house.begin("queue-answered", &["--steps", "--talk", "0.3"]);
    play.reaches("rings").await;
    play.go_on().await;
    play.reaches("answered").await;
    // What is answered and ended in one gap has left nothing at the exchange.
    becomes("the ticket stands before the cut", async || the_ticket_stands(house).await).await;
    let since = cut(house).await;
    play.go_on().await;
    let truth = play.truths().await.remove(0);
    mend(house, since).await;
    house.expect(&truth, "Petra Sommer", "support", &["202"]).await;
}

/// The agent answers between SIGTERM and the next start.
async fn an_answer_while_the_daemon_is_away_is_found(house: &mut House) {
    let mut play = house.begin("queue-answered", &["--steps"]);
    play.reaches("rings").await;
    becomes("the call is known before the stop", async || one_call_is_up(house).await).await;
    house.daemon.stop().await;
    play.go_on().await;
    play.reaches("answered").await;
    house.start_again().await;
    play.go_on().await;
    let truth = play.truths().await.remove(0);
    house.expect(&truth, "Petra Sommer", "support", &["202"]).await;
}

/// The daemon dies while the agent talks.
async fn a_killed_daemon_makes_no_second_ticket(house: &mut House) {
    let mut play = house.begin("ringgroup-answered", &["--steps", "--number", "+493023125151"]);
    play.reaches("rings").await;
    play.go_on().await;
    play.reaches("answered").await;
    becomes("the ticket stands and nothing is owed", async || the_ticket_stands(house).await).await;
    house.daemon.kill().await;
    house.start_again().await;
    play.go_on().await;
    let truth = play.truths().await.remove(0);
    house.expect(&truth, "Helga Frank", "sales", &["202"]).await;
}

async fn one_call_is_up(house: &House) -> Result<(), String> {
    let status = house.daemon.status().await;
    if status["calls"]["up"] == 1 { Ok(()) } else { Err(status.to_string()) }
}

/// The ticket of the call that is up stands, and the journal knows it.
async fn the_ticket_stands(house: &House) -> Result<(), String> {
    let (status, calls) = (house.daemon.status().await, house.daemon.calls());
    let stands = calls.first().is_some_and(|call| call["open"] == true && call["ticket"].is_u64());
    if stands && status["crm"]["owed"] == 0 { Ok(()) } else { Err(status.to_string()) }
}

async fn cut(house: &House) -> Instant {
    house.link.cut();
    becomes("the daemon misses the exchange", async || match house.daemon.ready().await {
        true => Err("it says that it is ready".to_owned()),
        false => Ok(()),
    })
    .await;
    Instant::now()
}

async fn mend(house: &House, since: Instant) {
    tokio::time::sleep_until(since + CUT).await;
    house.link.mend();
    becomes("the daemon has found the exchange again", async || match house.daemon.ready().await {
        true => Ok(()),
        false => Err("it is not ready".to_owned()),
    })
    .await;
}
