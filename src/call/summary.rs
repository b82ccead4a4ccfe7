//! A call in one line, in the vocabulary of the captures.

use serde::Serialize;

use super::event::{Direction, TransferKind};
use super::number::Caller;
use super::state::{Call, Outcome, Phase};

/// What `ringdesk replay --format json` prints for a call, without the effects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the fields of a fixed interface")]
pub struct Summary {
    /// The PBX's id of the call's first channel.
    pub pbx_call_id: String,
    /// A call from outside to a watched group.
    pub watched: bool,
    /// Where it came from.
    pub direction: Direction,
    /// The caller's number as the PBX sent it; empty where there was none.
    pub caller: String,
    /// The same in E.164.
    pub caller_e164: Option<String>,
    /// The number is hidden, or there is none.
    pub caller_withheld: bool,
    /// The caller's name as sent.
    pub caller_name: Option<String>,
    /// What was dialled first.
    pub dialled: String,
    /// The group; an unwatched queue by its own name.
    pub group: Option<String>,
    /// The phones that rang.
    pub rang: Vec<String>,
    /// The first agent who spoke with the caller.
    pub answered_by: Option<String>,
    /// The last one.
    pub last_agent: Option<String>,
    /// What became of it; `None` while it is up.
    pub outcome: Option<Outcome>,
    /// Transfers in order.
    pub transfers: Vec<TransferSummary>,
    /// It was on hold.
    pub held: bool,
    /// It was parked.
    pub parked: bool,
    /// The recording's name on the PBX.
    pub recording: Option<String>,
    /// The end was not seen.
    pub end_estimated: bool,
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransferSummary {
    /// How.
    pub kind: TransferKind,
    /// Who sent the call on.
    pub from: String,
    /// To whom, where known.
    pub to: Option<String>,
}

impl From<&Call> for Summary {
    fn from(call: &Call) -> Self {
        let (outcome, estimated) = match &call.phase {
            Phase::Ringing | Phase::Talking => (None, false),
            Phase::Ended { outcome, estimated, .. } | Phase::Closed { outcome, estimated, .. } => {
                (Some(*outcome), *estimated)
            }
        };
        Self {
            pbx_call_id: call.id.pbx().to_owned(),
            watched: call.watched(),
            direction: call.direction,
            caller: call.number.clone(),
            caller_e164: call.caller.e164().map(|number| number.to_string()),
            caller_withheld: call.caller == Caller::Withheld,
            caller_name: call.caller_name.clone(),
            dialled: call.dialled.clone(),
            group: call.group.clone().or_else(|| call.queue.clone()),
            rang: call.rang.iter().map(ToString::to_string).collect(),
            answered_by: call.answered_by.as_ref().map(ToString::to_string),
            last_agent: call.last_agent.as_ref().map(ToString::to_string),
            outcome,
            transfers: call
                .transfers
                .iter()
                .map(|transfer| TransferSummary {
                    kind: transfer.kind,
                    from: transfer.from.to_string(),
                    to: transfer.to.clone(),
                })
                .collect(),
            held: call.held,
            parked: call.parked,
            recording: call.recording.clone(),
            end_estimated: estimated,
        }
    }
}
