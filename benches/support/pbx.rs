//! What a PBX answers to the daemon's actions.

/// The answer to an action: any log-in is taken, nobody is on the line, every number may be shown.
pub fn reply(action: &str, id: &str) -> String {
    let ok = |rest: &str| format!("Response: Success\r\nActionID: {id}\r\n{rest}\r\n");
    let list = |complete: &str| {
        ok("EventList: start\r\n")
            + &format!("Event: {complete}\r\nActionID: {id}\r\nEventList: Complete\r\nListItems: 0\r\n\r\n")
    };
    match action {
        "Challenge" => ok("Challenge: 271828182\r\n"),
        "Login" => {
            ok("Message: Authentication accepted\r\n")
                + "Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n"
        }
        "Ping" => ok("Ping: Pong\r\n"),
        "Status" => list("StatusComplete"),
        "CoreShowChannels" => list("CoreShowChannelsComplete"),
        "QueueStatus" => list("QueueStatusComplete"),
        "VoicemailUsersList" => list("VoicemailUserEntryComplete"),
        "Getvar" => ok("Variable: CALLERID(num-pres)\r\nValue: allowed_not_screened\r\n"),
        _ => ok(""),
    }
}

/// Gathers the lines of actions.
#[derive(Default)]
pub struct Actions {
    name: String,
    id: String,
}

impl Actions {
    /// Takes a line without its end; the whole action (name, id) when it is over.
    pub fn line(&mut self, line: &str) -> Option<(String, String)> {
        match line.split_once(": ") {
            Some(("Action", name)) => name.clone_into(&mut self.name),
            Some(("ActionID", id)) => id.clone_into(&mut self.id),
            _ if line.is_empty() => return Some((self.name.clone(), self.id.clone())),
            _ => {}
        }
        None
    }
}
