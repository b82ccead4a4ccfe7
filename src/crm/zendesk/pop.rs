//! Opening a ticket on an agent's screen.
//!
//! Source: <https://developer.zendesk.com/api-reference/voice/talk-partner-edition-api/reference/>.
//! 200 says "sent to the browser", not that a browser is open.

use super::Undone;
use super::errand::{Ask, Errand};
use super::failure::Failure;
use crate::call::{Agent, Event, PersonId, TicketId};
use crate::crm::Resolve;
use crate::delivery::Delivered;

/// How the attempt to open a ticket ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Sent to the agent's browser.
    Open,
    /// The account has no Talk Partner Edition.
    NoVoice,
    /// The agent or the ticket is not accepted; says how it was answered.
    Unknown(String),
}

/// Owed work: opens the ticket.
pub(super) async fn pop(
    errand: &Errand<'_>,
    key: &str,
    ticket: TicketId,
    agent: &Agent,
    resolve: &dyn Resolve,
) -> Result<Delivered, Undone> {
    let missing = || Delivered {
        event: Event::WorkRefused {
            key: key.to_owned(),
            reason: "the account has no Talk Partner Edition: tickets do not open by themselves".to_owned(),
        },
        note: "not opened: the account has no Talk Partner Edition".to_owned(),
    };
    if !errand.zendesk.voice.open() {
        return Ok(missing());
    }
    let Some(id) = resolve.agent(agent) else {
        return Err(Undone::Refused(format!("extension {} belongs to no Zendesk agent", agent.extension)));
    };
    match show(errand, id, ticket).await? {
        Shown::Open => Ok(Delivered {
            event: Event::ScreenPopped { extension: agent.extension.clone() },
            note: format!("ticket {ticket} opened at {} by {}", agent.extension, errand.cost()),
        }),
        Shown::NoVoice => Ok(missing()),
        Shown::Unknown(reason) => Err(Undone::Refused(reason)),
    }
}

/// Opens a ticket on the screen of an agent.
pub(super) async fn show(errand: &Errand<'_>, agent: PersonId, ticket: TicketId) -> Result<Shown, Failure> {
    let ask = Ask::post("/channels/voice/agents/{}/tickets/{}/display", &[agent.0, ticket.0]);
    let answer = errand.ask(&ask).await?;
    let voice = &errand.zendesk.voice;
    Ok(match answer.status {
        _ if answer.ok() => {
            voice.is_there();
            Shown::Open
        }
        // An agent or ticket that is not there is answered with an empty 404.
        404 if answer.complaint().code.as_deref() != Some("InvalidEndpoint") => {
            Shown::Unknown(answer.reason())
        }
        403 | 404 => {
            voice.is_missing(answer.status);
            Shown::NoVoice
        }
        _ => Shown::Unknown(answer.reason()),
    })
}
