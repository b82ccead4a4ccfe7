//! `/metrics` in OpenMetrics text. Labels are names of the config, never callers' data.

use std::fmt::Write as _;

use crate::status::Snapshot;

/// Renders the snapshot.
pub fn render(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    let calls = &snapshot.calls;
    gauge(&mut text, "ringdesk_ready", "1 when calls are served", u64::from(snapshot.ready));
    gauge(&mut text, "ringdesk_calls_up", "calls that are up", calls.up as u64);
    gauge(
        &mut text,
        "ringdesk_calls_wrapping_up",
        "calls in their wrap-up time or kept for owed work",
        calls.ended as u64,
    );
    counter(&mut text, "ringdesk_calls_heard", "calls heard", calls.heard);
    counter(&mut text, "ringdesk_calls_answered", "calls that an agent answered", calls.answered);
    counter(&mut text, "ringdesk_tickets", "tickets made", calls.tickets);
    counter(
        &mut text,
        "ringdesk_work_refused",
        "pieces of work that the CRM refused for good",
        calls.refused,
    );
    counter(
        &mut text,
        "ringdesk_numbers_without_room",
        "numbers that were not written because their owner has no free field",
        calls.without_room,
    );
    gauge(&mut text, "ringdesk_work_owed", "pieces of work that are owed", snapshot.crm.owed as u64);
    gauge(
        &mut text,
        "ringdesk_work_in_flight",
        "pieces of work that are being done",
        snapshot.crm.in_flight as u64,
    );
    gauge(
        &mut text,
        "ringdesk_crm_away",
        "1 when the CRM did not answer the last time",
        u64::from(snapshot.crm.away),
    );
    head(&mut text, "ringdesk_crm_requests", "counter", "requests to the CRM by how they were answered");
    let answers = ["succeeded", "refused", "limited", "failed", "unanswered"];
    for (answer, count) in answers.iter().zip(snapshot.crm.requests) {
        let _ = writeln!(text, "ringdesk_crm_requests_total{{answer=\"{answer}\"}} {count}");
    }
    gauge(
        &mut text,
        "ringdesk_phone_book_numbers",
        "numbers in the phone book",
        snapshot.phone_book.numbers as u64,
    );
    counter(
        &mut text,
        "ringdesk_phone_book_searches",
        "searches of the CRM for a number",
        snapshot.phone_book.searches[0],
    );
    gauge(
        &mut text,
        "ringdesk_journal_failing",
        "1 while the journal cannot be written",
        u64::from(snapshot.journal_error.is_some()),
    );
    let recordings = &snapshot.recordings;
    gauge(
        &mut text,
        "ringdesk_recordings_waited_for",
        "recordings that are not complete on the PBX",
        recordings.waited_for as u64,
    );
    gauge(
        &mut text,
        "ringdesk_recordings_to_attach",
        "recordings that are to be attached to tickets",
        recordings.to_attach as u64,
    );
    gauge(
        &mut text,
        "ringdesk_recordings_room",
        "0 while nothing is recorded because the disk is nearly full",
        u64::from(recordings.room),
    );
    head(&mut text, "ringdesk_pbx_live", "gauge", "1 when the PBX is logged in and its calls are known");
    for pbx in &snapshot.pbx {
        let _ =
            writeln!(text, "ringdesk_pbx_live{{pbx=\"{}\"}} {}", pbx.name, u64::from(pbx.state == "live"));
    }
    for (name, help, value) in [
        ("ringdesk_pbx_messages", "messages read", 0),
        ("ringdesk_pbx_broken_lines", "lines skipped as broken", 1),
        ("ringdesk_pbx_lost", "connections lost", 2),
        ("ringdesk_pbx_logins_refused", "log-ins refused", 3),
    ] {
        head(&mut text, name, "counter", help);
        for pbx in &snapshot.pbx {
            let value = [pbx.messages, pbx.broken_lines, pbx.lost, pbx.logins_refused][value];
            let _ = writeln!(text, "{name}_total{{pbx=\"{}\"}} {value}", pbx.name);
        }
    }
    text.push_str("# EOF\n");
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# TYPE {name} {kind}\n# HELP {name} {help}");
}

fn gauge(text: &mut String, name: &str, help: &str, value: u64) {
    head(text, name, "gauge", help);
    let _ = writeln!(text, "{name} {value}");
}

fn counter(text: &mut String, name: &str, help: &str, value: u64) {
    head(text, name, "counter", help);
    let _ = writeln!(text, "{name}_total {value}");
}
