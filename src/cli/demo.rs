//! `ringdesk demo`

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use super::{Exit, complain, print};
use crate::causes;
use crate::demo::{Demo, Shown};

/// Show the whole story on this machine, without PBX and Zendesk
///
/// Starts a stand-in for Zendesk, plays recorded calls of a real Asterisk to the daemon, and shows the calls and
/// the tickets as they appear.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// End by itself, print the tickets as a table, and exit with 0 only if they are what they must be
    #[arg(long)]
    pub headless: bool,
}

/// How often the terminal is brought up to date.
const LOOK: Duration = Duration::from_millis(150);

/// Shows the demo.
pub fn execute(args: &Args) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return Exit::Software;
        }
    };
    runtime.block_on(show(args))
}

async fn show(args: &Args) -> Exit {
    let mut demo = match Demo::start().await {
        Ok(demo) => demo,
        Err(error) => {
            complain(&causes::in_lines(&error));
            return Exit::Unavailable;
        }
    };
    let page = demo.page().unwrap_or_default();
    print(&format!(
        "A stand-in for Zendesk answers at {}, the status page is {page}\n\
         The PBX plays what a real Asterisk 22 said:\n",
        demo.sandbox_url()
    ));
    for (number, title) in Demo::story().enumerate() {
        print(&format!("  {}. {title}\n", number + 1));
    }
    print("\n");
    let mut told = Told::default();
    loop {
        tokio::select! {
            () = demo.played() => break,
            () = tokio::time::sleep(LOOK) => {}
            _ = tokio::signal::ctrl_c() => {
                demo.stop().await;
                return Exit::Done;
            }
        }
        told.look(&demo).await;
    }
    let wrong = demo.judge().await;
    told.look(&demo).await;
    print(&format!("\n{}\n", table(&demo.tickets())));
    for line in &wrong {
        complain(&format!("not as it must be: {line}"));
    }
    if wrong.is_empty() {
        print(
            "Every answered call has one ticket, with the right requester, agent and group, open at the agent.\n",
        );
    }
    if !args.headless && std::io::stdout().is_terminal() {
        print(&format!("The daemon goes on running; look at {page} and end it with Ctrl-C.\n"));
        let _ = tokio::signal::ctrl_c().await;
    }
    demo.stop().await;
    if wrong.is_empty() { Exit::Done } else { Exit::Data }
}

/// What was shown already.
#[derive(Default)]
struct Told {
    calls: HashMap<String, String>,
    tickets: HashMap<String, String>,
}

impl Told {
    /// Shows what is new.
    async fn look(&mut self, demo: &Demo) {
        let mut calls = demo.calls().await;
        calls.reverse();
        for call in calls {
            let id = call.call.to_string();
            let state = match (&call.outcome, &call.answered_by) {
                (Some(outcome), Some(agent)) => format!("{outcome} by {agent}, over"),
                (Some(outcome), None) => format!("{outcome}, over"),
                (None, Some(agent)) => format!("{agent} speaks with the caller"),
                (None, None) => "rings".to_owned(),
            };
            if self.calls.get(&id) != Some(&state) {
                let caller = call.caller.as_deref().unwrap_or("withheld");
                let group = call.group.as_deref().unwrap_or("");
                print(&format!("  call    {id:<24} {caller:<15} {group:<10} {state}\n"));
                self.calls.insert(id, state);
            }
        }
        for ticket in demo.tickets().iter().filter(|ticket| ticket.external_id.starts_with("ringdesk:")) {
            let opened =
                ticket.opened_at.last().map(|agent| format!(", open at {agent}")).unwrap_or_default();
            let state = format!("{}, {}, for {}{opened}", ticket.subject, ticket.assignee, ticket.requester);
            if self.tickets.get(&ticket.id) != Some(&state) {
                print(&format!("  ticket  {:<24} {state}\n", ticket.id));
                self.tickets.insert(ticket.id.clone(), state);
            }
        }
    }
}

fn table(tickets: &[Shown]) -> String {
    let head = ["ticket", "call", "requester", "agent", "group", "opened at"].map(str::to_owned);
    let rows = tickets.iter().filter_map(|ticket| {
        let call = ticket.external_id.strip_prefix("ringdesk:")?;
        Some([
            ticket.id.clone(),
            call.to_owned(),
            ticket.requester.clone(),
            ticket.assignee.clone(),
            ticket.group.clone(),
            ticket.opened_at.join(", "),
        ])
    });
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        })
        .collect()
}
