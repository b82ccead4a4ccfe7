//! Deviations of single PBXs and versions, each with its name and where it was seen.

use super::legs::CallKey;
use super::translate::Translate;
use crate::call::DialResult;

/// Places in the dialplan that are no number: FreePBX and most dialplans work in `s`, timeouts go to
/// `t`, hang-ups to `h`, and a leg that was dialled begins in an empty one (all versions).
pub fn is_no_number(exten: &str) -> bool {
    exten.len() <= 1 && !exten.bytes().all(|byte| byte.is_ascii_digit()) || exten.is_empty()
}

/// The applications that are a voice mailbox (class `dialplan` only).
pub fn is_voicemail(application: &[u8]) -> bool {
    matches!(application, b"VoiceMail" | b"Voicemail" | b"MiniVM" | b"MinivmRecord")
}

/// Whether a request to end the caller's leg comes from the caller.
///
/// `HangupRequest` is also seen on the caller's leg after the PBX itself refused the call: then it
/// carries the cause of the refusal (22.10: `Cause: 17` after a busy phone). A caller's own BYE or
/// CANCEL carries none or 16 (16.28 and 22.10).
pub fn caller_asks_for_the_end(event: &str, cause: Option<&[u8]>, last_dial: Option<DialResult>) -> bool {
    event == "HangupRequest" && !(last_dial == Some(DialResult::Busy) && cause == Some(b"17"))
}

/// An account that does not read the class `dialplan` is not told that a call went to voice mail.
/// What it sees (16.28, 22.10): a phone did not answer, the caller stands alone, and then the
/// phone's mailbox has a message.
pub fn voicemail_without_dialplan_events(translate: &Translate, mailbox: &str) -> Option<CallKey> {
    let extension = mailbox.split('@').next().unwrap_or(mailbox);
    let waits = translate.calls.iter().filter(|(_, call)| {
        let alone = translate.legs.get(&call.near).is_some_and(|leg| leg.bridge.is_none());
        call.announced
            && alone
            && call.agent.is_none()
            && call.last_dial.is_some()
            && call.last_rung.as_ref().is_some_and(|rung| rung.as_str() == extension)
    });
    waits.map(|(key, _)| *key).min()
}
