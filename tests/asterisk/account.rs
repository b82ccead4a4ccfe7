//! A look into the account: tickets with names instead of ids.

use serde_json::Value;

/// A ticket as a person would read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub requester: String,
    pub assignee: String,
    pub group: String,
    /// On whose screens it was opened, in order.
    pub opened_at: Vec<String>,
}

/// The account at one moment.
pub struct Account(Value);

impl Account {
    /// Reads `GET /_sandbox/state`.
    pub fn new(state: Value) -> Self {
        Self(state)
    }

    fn list(&self, key: &str) -> &[Value] {
        self.0[key].as_array().unwrap()
    }

    fn name(&self, list: &str, id: &Value) -> String {
        let found = self.list(list).iter().find(|one| one["id"] == *id);
        found.map_or_else(|| format!("{list} {id}"), |one| one["name"].as_str().unwrap().to_owned())
    }

    /// The ids and contents of the tickets whose `external_id` contains `text`.
    pub fn tickets(&self, text: &str) -> Vec<(u64, Ticket)> {
        let ours = |ticket: &&Value| ticket["external_id"].as_str().is_some_and(|id| id.contains(text));
        let tickets = self.list("tickets").iter().filter(ours);
        tickets.map(|ticket| (ticket["id"].as_u64().unwrap(), self.told(ticket))).collect()
    }

    fn told(&self, ticket: &Value) -> Ticket {
        let pops = self.list("screen_pops").iter().filter(|pop| pop["ticket_id"] == ticket["id"]);
        Ticket {
            requester: self.name("users", &ticket["requester_id"]),
            assignee: self.name("users", &ticket["assignee_id"]),
            group: self.name("groups", &ticket["group_id"]),
            opened_at: pops.map(|pop| self.name("users", &pop["agent_id"])).collect(),
        }
    }

    /// How many tickets, screen pops and uploads there are in all.
    pub fn counts(&self) -> [usize; 3] {
        ["tickets", "screen_pops", "uploads"].map(|key| self.list(key).len())
    }

    /// Name and number of each user.
    pub fn people(&self) -> Vec<(String, Option<String>)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut people: Vec<_> = self
            .list("users")
            .iter()
            .map(|user| (text(&user["name"]).unwrap(), text(&user["phone"])))
            .collect();
        people.sort();
        people
    }

    /// The text of the first comment of a ticket, and whether the requester may read it.
    pub fn first_comment(&self, id: u64) -> (String, bool) {
        let ticket = self.list("tickets").iter().find(|ticket| ticket["id"] == id).unwrap();
        let comment = &ticket["comments"][0];
        (comment["body"].as_str().unwrap().to_owned(), comment["public"].as_bool().unwrap())
    }

    /// How many comments a ticket has.
    pub fn comments(&self, id: u64) -> usize {
        let ticket = self.list("tickets").iter().find(|ticket| ticket["id"] == id).unwrap();
        ticket["comments"].as_array().unwrap().len()
    }

    /// The files in a ticket: the text of the comment that carries each, and its SHA-256.
    pub fn files(&self, id: u64) -> Vec<(String, String)> {
        let ticket = self.list("tickets").iter().find(|ticket| ticket["id"] == id).unwrap();
        let mut found = Vec::new();
        for comment in ticket["comments"].as_array().unwrap() {
            for file in comment["attachments"].as_array().into_iter().flatten() {
                let sum = &self.0["attachment_sums"][file["id"].to_string()]["sha256"];
                found.push((comment["body"].as_str().unwrap().to_owned(), sum.as_str().unwrap().to_owned()));
            }
        }
        found
    }

    /// Requests of the API from the `skip`th on, the token endpoint left out.
    pub fn requests(&self, skip: usize) -> Vec<String> {
        let lines = self.list("requests").iter().skip(skip).map(|request| {
            let path = request["path"].as_str().unwrap();
            format!("{} {}", request["method"].as_str().unwrap(), path.trim_start_matches("/api/v2"))
        });
        lines.filter(|line| !line.contains("/oauth/")).collect()
    }

    /// How many requests there were in all.
    pub fn asked(&self) -> usize {
        self.list("requests").len()
    }

    /// What the account found wrong in requests.
    pub fn warnings(&self) -> &[Value] {
        self.list("warnings")
    }
}
