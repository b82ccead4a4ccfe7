//! The status page: one page of HTML without scripts, made anew at each look.

use std::fmt::{self, Write as _};

use crate::journal::CallRow;
use crate::status::Snapshot;

const STYLE: &str = "\
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}
body{max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}
p.state{margin:.25rem 0 1rem}
.good{color:#177a3c}.bad{color:#b3261e}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8884;vertical-align:top}
th{font-weight:600}
td.number{font-variant-numeric:tabular-nums}
li{margin:.2rem 0}
@media (prefers-color-scheme:dark){.good{color:#6fd08c}.bad{color:#ff8a80}}
";

/// Text inside HTML.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Renders the page.
pub fn render(snapshot: &Snapshot, calls: &[CallRow], error: Option<&str>) -> String {
    let mut html = String::new();
    let _ = write!(
        html,
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5>\
         <meta name=viewport content=\"width=device-width\"><title>ringdesk</title><style>{STYLE}</style>\
         <h1>ringdesk {}</h1>",
        snapshot.version
    );
    state(&mut html, snapshot);
    peers(&mut html, snapshot);
    problems(&mut html, snapshot);
    latest(&mut html, calls, error);
    html
}

fn state(html: &mut String, snapshot: &Snapshot) {
    if snapshot.ready {
        html.push_str("<p class=\"state good\">Calls are served.</p>");
    } else {
        html.push_str("<p class=\"state bad\">Not ready:</p><ul>");
        for missing in &snapshot.not_ready {
            let _ = write!(html, "<li>{}</li>", Text(missing));
        }
        html.push_str("</ul>");
    }
    if let Some(error) = &snapshot.journal_error {
        let _ = write!(html, "<p class=bad>The journal cannot be written: {}</p>", Text(error));
    }
    if let Some(reason) = &snapshot.reload_refused {
        let text = Text(reason);
        let _ = write!(
            html,
            "<p class=bad>The config was read again and is refused; the old settings go on. {text}</p>"
        );
    }
    let calls = &snapshot.calls;
    let _ = write!(
        html,
        "<p>{} calls up, {} in wrap-up. Since {}: {} heard, {} answered, {} tickets, {} pieces of work refused.</p>",
        calls.up,
        calls.ended,
        snapshot.started.strftime("%Y-%m-%d %H:%M UTC"),
        calls.heard,
        calls.answered,
        calls.tickets,
        calls.refused
    );
    if let Some(person) = calls.without_room_at {
        let _ = write!(
            html,
            "<p>{} numbers found their owner and no free field there, the latest at person {person}: make room in one \
             of the fields of <code>phone_fields</code>, or name more.</p>",
            calls.without_room
        );
    }
}

fn peers(html: &mut String, snapshot: &Snapshot) {
    html.push_str("<h2>PBX and CRM</h2><table><tr><th>Peer<th>State<th>");
    for pbx in &snapshot.pbx {
        let class = if pbx.state == "live" { "good" } else { "bad" };
        let _ = write!(
            html,
            "<tr><td>PBX {}<td class={class}>{}<td>{}<br>{} messages, {} lost connections",
            Text(&pbx.name),
            pbx.state,
            Text(&pbx.detail),
            pbx.messages,
            pbx.lost
        );
    }
    let crm = &snapshot.crm;
    let (class, state) = match (crm.login, crm.away) {
        ("proven", false) => ("good", "logged in"),
        (_, true) => ("bad", "does not answer"),
        ("failed", _) => ("bad", "log-in failed"),
        _ => ("bad", "not asked yet"),
    };
    let pops = match crm.screen_pops {
        Some(true) => "screen pops work",
        Some(false) => "no screen pops: the account has no Talk Partner Edition",
        None => "whether screen pops work is not known yet",
    };
    let book = &snapshot.phone_book;
    let _ = write!(
        html,
        "<tr><td>Zendesk<td class={class}>{state}<td>{}<br>{} pieces of work owed, {pops}\
         <tr><td>Phone book<td class={}>{}<td>{} numbers of {} people",
        Text(&crm.detail),
        crm.owed,
        if book.ready { "good" } else { "bad" },
        if book.ready { "read" } else { "being read" },
        book.numbers,
        book.people
    );
    let recordings = &snapshot.recordings;
    // Where nothing is recorded there is nothing to tell.
    if recordings.free.is_some() || recordings.waited_for + recordings.to_attach > 0 {
        let (class, state) = match recordings {
            of if !of.room => ("bad", "nothing is recorded: the disk is nearly full"),
            of if of.keeping_fails => ("bad", "the disk does not take them"),
            of if of.uploads_away => ("bad", "Zendesk does not take them now"),
            _ => ("good", "kept"),
        };
        let free = recordings.free.map(|free| format!(", {} MB free", free / 1_000_000)).unwrap_or_default();
        let _ = write!(
            html,
            "<tr><td>Recordings<td class={class}>{state}<td>{} waited for, {} to attach{free}",
            recordings.waited_for, recordings.to_attach
        );
    }
    if let Some(archive) = &snapshot.archive {
        let class = if archive.state == "failed" { "bad" } else { "good" };
        let next = archive.next.map(|next| next.strftime("%Y-%m-%d %H:%M UTC").to_string());
        let _ = write!(
            html,
            "<tr><td>Archive<td class={class}>{}<td>{}<br>{}, next run: {}",
            archive.state,
            Text(&archive.place),
            Text(&archive.detail),
            next.as_deref().unwrap_or("none")
        );
        for problem in &archive.problems {
            let _ = write!(html, "<br>not copied: {}", Text(problem));
        }
    }
    html.push_str("</table>");
}

fn problems(html: &mut String, snapshot: &Snapshot) {
    let directory = &snapshot.directory;
    let _ = write!(
        html,
        "<h2>Who is who</h2><p>{} of {} agents and {} of {} groups are matched.</p>",
        directory.agents[1], directory.agents[0], directory.groups[1], directory.groups[0]
    );
    if !directory.problems.is_empty() {
        html.push_str("<ul>");
        for problem in &directory.problems {
            let _ = write!(html, "<li>{}</li>", Text(problem));
        }
        html.push_str("</ul>");
    }
}

fn latest(html: &mut String, calls: &[CallRow], error: Option<&str>) {
    html.push_str("<h2>Latest calls</h2>");
    if let Some(error) = error {
        let _ = write!(html, "<p class=bad>{}</p>", Text(error));
        return;
    }
    if calls.is_empty() {
        html.push_str("<p>No call to a watched group yet.</p>");
        return;
    }
    html.push_str("<table><tr><th>Began<th>Call<th>Group<th>Answered by<th>Outcome<th>Ticket");
    for call in calls {
        let ticket = call.ticket.map(|ticket| ticket.to_string()).unwrap_or_default();
        let _ = write!(
            html,
            "<tr><td class=number>{}<td>{}<td>{}<td>{}<td>{}<td class=number>{ticket}",
            call.started.strftime("%m-%d %H:%M:%S"),
            Text(&call.call.to_string()),
            Text(call.group.as_deref().unwrap_or("")),
            Text(call.answered_by.as_deref().unwrap_or("")),
            Text(call.outcome.as_deref().unwrap_or(if call.open { "up" } else { "" })),
        );
    }
    html.push_str("</table><p>The story of a call: <code>ringdesk calls ID</code></p>");
}
