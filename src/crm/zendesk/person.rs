//! After the wrap-up: the number finds its owner, and what the call knows is written to the person.
//!
//! The ticket is read, then the user who is its requester by now, and the identities only when the
//! number shows nowhere else. `filing` decides; then one request writes number and fields together. All of it begins
//! with a look, so a second time finds it done and writes nothing. What an agent did meanwhile counts:
//!
//! - The ticket was moved to a real person: the number goes there, and our empty user is removed where the
//!   admin wants it. A number that Zendesk refuses because our user has it is taken from that one first.
//! - Our user was merged into a real person: that one is the ticket's requester now, and has the number or
//!   gets it. What Zendesk's merge does with numbers depends on who else has them, so it is looked at.
//! - A real person was merged into our user, or our user was renamed: it is a person now and has the number.
//!   Our mark (`external_id`) stays: it harms nobody, and `filing::is_placeholder` sees a person.
//!
//! Sources: <https://developer.zendesk.com/api-reference/ticketing/users/users/>,
//! <https://developer.zendesk.com/api-reference/ticketing/users/user_identities/>, and for the merge
//! <https://support.zendesk.com/hc/en-us/articles/4408887695898>.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Undone;
use super::create::OneTicket;
use super::errand::{Ask, Errand};
use super::failure::{Answer, Failure};
use super::fields::{self, Owner};
use super::newcomer::{self, OneUser};
use super::options::PhoneField;
use super::people::{IdentityList, IdentityRecord, UserRecord};
use super::{filing, values};
use crate::call::{E164, Event, Filed, PersonId, PersonUpdate, PersonUpdated, Placeholder, TicketId};
use crate::clock;
use crate::crm::Resolve;
use crate::delivery::Delivered;

/// How often a requester who vanishes under our hands is followed: each time somebody merged users.
const MOST_LOOKS: usize = 3;
/// Requests that one place may cost: each refused field costs one, then all of them together.
const MOST_TRIES: usize = 4;

/// Between two updates of users.
const PACE: Duration = Duration::from_secs(1);

const DELETED: &str = "the requester is deleted or merged away";

#[derive(Debug, Deserialize)]
struct Related {
    user_related: Counts,
}

#[derive(Debug, Deserialize)]
struct Counts {
    #[serde(default)]
    requested_tickets: u64,
    #[serde(default)]
    ccd_tickets: u64,
}

/// Owed work: writes number and fields to the ticket's requester.
pub(super) async fn update(
    errand: &Errand<'_>,
    update: &PersonUpdate,
    resolve: &dyn Resolve,
) -> Result<Delivered, Undone> {
    let Some(default) = resolve.default_user() else {
        return Err(Failure::away(false, "the default user is not known yet").into());
    };
    not_too_soon(errand)?;
    let mut gone = None;
    for _ in 0..MOST_LOOKS {
        let Some(requester) = requester(errand, update.ticket).await? else {
            return Ok(Deed::new(errand, update).ends(Filed::TicketGone));
        };
        if requester.is_none_or(|requester| requester == default) {
            return Ok(Deed::new(errand, update).ends(Filed::Nobody));
        }
        let Some(requester) = requester.filter(|_| requester != gone) else { break };
        // Two calls that end at once must not both find the same place free.
        let _turn = errand.zendesk.turn_of(requester).lock().await;
        if let Some(done) = Deed::new(errand, update).with(requester).await? {
            return Ok(done);
        }
        // Merged away since: then the ticket has another requester.
        gone = Some(requester);
    }
    Ok(Deed::new(errand, update).ends(Filed::NotWritable { reason: DELETED.to_owned() }))
}

/// Whoever would have to wait for the next update of a user comes again, and takes no place from a call.
fn not_too_soon(errand: &Errand<'_>) -> Result<(), Undone> {
    let Ok(last) = errand.zendesk.last_user_write.try_lock() else { return Err(Undone::NotYet(PACE)) };
    let passed = last.map_or(PACE, |last| clock::instant().duration_since(last));
    if passed < PACE { Err(Undone::NotYet(PACE - passed)) } else { Ok(()) }
}

/// The ticket's requester; `None` when the ticket is gone.
async fn requester(errand: &Errand<'_>, ticket: TicketId) -> Result<Option<Option<PersonId>>, Undone> {
    let answer = errand.ask(&Ask::get("/tickets/{}", &[ticket.0])).await?;
    match answer.status {
        404 => Ok(None),
        _ => Ok(Some(answer.read::<OneTicket>()?.ticket.requester_id.map(PersonId))),
    }
}

/// A user; `None` when there is none, or it was deleted or merged away.
async fn user(errand: &Errand<'_>, id: PersonId) -> Result<Option<UserRecord>, Failure> {
    let answer = errand.ask(&Ask::get("/users/{}", &[id.0])).await?;
    match answer.status {
        404 => Ok(None),
        _ => Ok(Some(answer.read::<OneUser>()?.user).filter(|user| user.active)),
    }
}

/// The identities of a user, a hundred at most.
async fn identities(
    errand: &Errand<'_>,
    id: u64,
    numbers_alone: bool,
) -> Result<Vec<IdentityRecord>, Failure> {
    let mut ask = Ask::get("/users/{}/identities", &[id]).query("page[size]", "100");
    if numbers_alone {
        ask = ask.query("type[]", "phone_number");
    }
    let answer = errand.ask(&ask).await?;
    if answer.status == 404 {
        return Ok(Vec::new());
    }
    Ok(answer.read::<IdentityList>()?.identities)
}

/// What is being done for one requester, and what there is to tell of it.
struct Deed<'a> {
    errand: &'a Errand<'a>,
    update: &'a PersonUpdate,
    /// Fields that are still to be written.
    fields: Map<String, Value>,
    /// The placeholder's number was taken from it.
    freed: bool,
    notes: Vec<String>,
}

/// How the attempt at one place ended.
enum Put {
    /// The number stands there, or in the place named.
    Written(PhoneField),
    /// The place was refused, for a reason that another one may not have.
    Refused(String),
    /// The user is gone.
    Gone,
}

impl<'a> Deed<'a> {
    fn new(errand: &'a Errand<'a>, update: &'a PersonUpdate) -> Self {
        Self { errand, update, fields: Map::new(), freed: false, notes: Vec::new() }
    }

    /// `None`: the user is not there any more.
    async fn with(mut self, requester: PersonId) -> Result<Option<Delivered>, Undone> {
        let Some(user) = user(self.errand, requester).await? else { return Ok(None) };
        if let Some(reason) = filing::not_writable(&user) {
            return Ok(Some(self.ends(Filed::NotWritable { reason: reason.to_owned() })));
        }
        if user.external_id.as_deref() == Some(newcomer::DEFAULT_USER) {
            return Ok(Some(self.ends(Filed::Nobody)));
        }
        let nobody_yet = self
            .update
            .placeholder
            .as_ref()
            .is_some_and(|placeholder| filing::is_nobody_yet(&user, placeholder));
        self.fit_fields(&user).await?;
        let filed = match self.update.number {
            None => None,
            Some(_) if nobody_yet => Some(Filed::Nobody),
            Some(number) => match self.file(number, &user).await? {
                Some(filed) => Some(filed),
                None => return Ok(None),
            },
        };
        if !self.write_fields(&user).await? {
            return Ok(None);
        }
        if let (Some(Filed::Written { .. } | Filed::HadIt { .. }), Some(number)) =
            (&filed, self.update.number)
        {
            // Whoever was made for it is not the next caller's user.
            self.errand.zendesk.newcomers.invalidate(&number).await;
        }
        let owned = matches!(filed, Some(Filed::Written { .. } | Filed::HadIt { .. }));
        let removed = match (&self.update.placeholder, self.update.number) {
            (Some(placeholder), Some(number))
                if owned && placeholder.remove && placeholder.id() != requester =>
            {
                self.remove(placeholder, number).await?
            }
            _ => false,
        };
        Ok(Some(self.done(filed, removed)))
    }

    /// Makes the fields' texts what the account wants, and leaves out what stands there already.
    async fn fit_fields(&mut self, user: &UserRecord) -> Result<(), Undone> {
        if self.update.fields.is_empty() {
            return Ok(());
        }
        let definitions = match fields::all(self.errand, Owner::Users).await {
            Ok(definitions) => definitions,
            Err(Failure::Refused(reason)) => {
                self.notes.push(format!("fields left out: their definitions cannot be read, {reason}"));
                return Ok(());
            }
            Err(failure) => return Err(failure.into()),
        };
        let (mut fitted, left_out) = values::fitted(&self.update.fields, &definitions);
        let now = |key: &String| user.user_fields.as_ref().and_then(|fields| fields.get(key));
        fitted.retain(|key, value| !values::holds(now(key), value));
        self.fields = fitted;
        self.notes.extend(left_out);
        Ok(())
    }

    /// Finds the number at the user, or writes it. `None`: the user is gone.
    async fn file(&mut self, number: E164, user: &UserRecord) -> Result<Option<Filed>, Undone> {
        let zendesk = self.errand.zendesk;
        let (order, reader) = (&zendesk.phone_fields, &*zendesk.numbers);
        let person = user.person();
        if filing::shows(number, user, order, reader) || self.has_line(number, user.id).await? {
            return Ok(Some(Filed::HadIt { person }));
        }
        for place in filing::free_places(user, order, &self.fields) {
            let mut put = self.put(number, user, &place).await?;
            if matches!(put, Put::Refused(_)) && self.free(number, user).await? {
                put = self.put(number, user, &place).await?;
            }
            match put {
                Put::Written(place) => {
                    return Ok(Some(Filed::Written { person, place: place.to_string() }));
                }
                Put::Gone => return Ok(None),
                Put::Refused(reason) => self.notes.push(format!("{place} was refused: {reason}")),
            }
        }
        Ok(Some(Filed::NoRoom { person }))
    }

    async fn has_line(&self, number: E164, id: u64) -> Result<bool, Undone> {
        let lines = identities(self.errand, id, true).await?;
        Ok(filing::is_line(number, &lines, &*self.errand.zendesk.numbers))
    }

    async fn put(&mut self, number: E164, user: &UserRecord, place: &PhoneField) -> Result<Put, Undone> {
        match place {
            PhoneField::Identity => self.add_line(number, user).await,
            PhoneField::Phone | PhoneField::UserField(_) => self.put_field(number, user, place).await,
        }
    }

    /// Writes number and fields in one request. A refused field does not cost the number.
    async fn put_field(
        &mut self,
        number: E164,
        user: &UserRecord,
        place: &PhoneField,
    ) -> Result<Put, Undone> {
        let reader = &*self.errand.zendesk.numbers;
        for _ in 0..MOST_TRIES {
            let mut parts = Map::new();
            let mut user_fields = self.fields.clone();
            match place {
                PhoneField::UserField(key) => {
                    user_fields.insert(key.clone(), json!(number.to_string()));
                }
                PhoneField::Phone | PhoneField::Identity => {
                    parts.insert("phone".to_owned(), json!(number.to_string()));
                }
            }
            if !user_fields.is_empty() {
                parts.insert("user_fields".to_owned(), Value::Object(user_fields));
            }
            let answer = self.put_user(user.id, parts).await?;
            match answer.status {
                _ if answer.ok() => {
                    let now = answer.read::<OneUser>()?.user;
                    if filing::stands_in(number, &now, place, reader) {
                        self.fields.clear();
                        return Ok(Put::Written(place.clone()));
                    }
                    self.fields.clear();
                    // Somebody gave the user a direct line meanwhile: then ours is a second one, and says nothing.
                    return match self.has_line(number, user.id).await? {
                        true => Ok(Put::Written(PhoneField::Identity)),
                        false => Ok(Put::Refused("it was taken and is not there".to_owned())),
                    };
                }
                404 => return Ok(Put::Gone),
                422 if self.leave_out_fields(&answer, place).await => self.errand.zendesk.counters.retry(),
                422 => return Ok(Put::Refused(answer.reason())),
                _ => return Err(Undone::Refused(answer.reason())),
            }
        }
        Ok(Put::Refused("every form of the update was refused".to_owned()))
    }

    async fn add_line(&mut self, number: E164, user: &UserRecord) -> Result<Put, Undone> {
        let identity = json!({"type": "phone_number", "value": number.to_string()});
        let ask = Ask::post("/users/{}/identities", &[user.id]).body(&json!({"identity": identity}));
        let answer = self.errand.ask(&ask).await?;
        match answer.status {
            _ if answer.ok() => Ok(Put::Written(PhoneField::Identity)),
            404 => Ok(Put::Gone),
            // An earlier request of ours that was still being done has come to its end.
            422 if self.has_line(number, user.id).await? => Ok(Put::Written(PhoneField::Identity)),
            422 => Ok(Put::Refused(answer.reason())),
            _ => Err(Undone::Refused(answer.reason())),
        }
    }

    /// Writes the fields that did not go with the number. False: the user is gone.
    async fn write_fields(&mut self, user: &UserRecord) -> Result<bool, Undone> {
        for _ in 0..MOST_TRIES {
            if self.fields.is_empty() {
                return Ok(true);
            }
            let parts = Map::from_iter([("user_fields".to_owned(), Value::Object(self.fields.clone()))]);
            let answer = self.put_user(user.id, parts).await?;
            match answer.status {
                _ if answer.ok() => self.fields.clear(),
                404 => return Ok(false),
                422 if self.leave_out_fields(&answer, &PhoneField::Identity).await => {}
                _ => {
                    self.notes.push(format!("fields left out: {}", answer.reason()));
                    self.fields.clear();
                }
            }
        }
        Ok(true)
    }

    /// Leaves out the fields that are complained about, and all of them when it is not understood what
    /// is. False: there were none, or it is the number's place that is not liked.
    async fn leave_out_fields(&mut self, answer: &Answer, place: &PhoneField) -> bool {
        let complaint = answer.complaint();
        let named: Vec<String> = self.fields.keys().filter(|key| complaint.about(key)).cloned().collect();
        let about_place = match place {
            PhoneField::Phone => complaint.about("phone"),
            PhoneField::UserField(key) => complaint.about(key),
            PhoneField::Identity => false,
        };
        if self.fields.is_empty() || (named.is_empty() && about_place) {
            return false;
        }
        let out = if named.is_empty() { self.fields.keys().cloned().collect() } else { named };
        for key in out {
            self.fields.remove(&key);
            self.notes.push(format!("field {key} was refused and left out"));
        }
        // The account's fields are not what we remember.
        self.errand.zendesk.fields.invalidate(&Owner::Users).await;
        true
    }

    /// Zendesk allows one such request a second for the whole account, and a refused one would stop the
    /// calls as well. <https://developer.zendesk.com/api-reference/introduction/rate-limits/>
    async fn put_user(&self, id: u64, parts: Map<String, Value>) -> Result<Answer, Failure> {
        let mut last = self.errand.zendesk.last_user_write.lock().await;
        if let Some(last) = *last {
            tokio::time::sleep(PACE.saturating_sub(clock::instant().duration_since(last))).await;
        }
        let answer = self.send_user(id, parts).await;
        // The far side counts from when it came.
        *last = Some(clock::instant());
        answer
    }

    async fn send_user(&self, id: u64, parts: Map<String, Value>) -> Result<Answer, Failure> {
        self.errand.ask(&Ask::put("/users/{}", &[id]).body(&json!({"user": parts}))).await
    }

    /// Takes the number away from our own empty user, once: a direct line is one user's alone. True
    /// when that made room.
    async fn free(&mut self, number: E164, owner: &UserRecord) -> Result<bool, Undone> {
        let Some(placeholder) = self.update.placeholder.as_ref().filter(|_| !self.freed) else {
            return Ok(false);
        };
        self.freed = true;
        if placeholder.id().0 == owner.id {
            return Ok(false);
        }
        if placeholder.remove && self.remove(placeholder, number).await? {
            return Ok(true);
        }
        let Some(user) = user(self.errand, placeholder.id()).await? else { return Ok(true) };
        if !filing::is_nobody_yet(&user, placeholder) || filing::not_writable(&user).is_some() {
            return Ok(false);
        }
        let reader = &*self.errand.zendesk.numbers;
        let lines = identities(self.errand, user.id, true).await?;
        let mut took = false;
        for line in lines.iter().filter(|line| filing::is_line_of(number, line, reader)) {
            let answer =
                self.errand.ask(&Ask::delete("/users/{}/identities/{}", &[user.id, line.id])).await?;
            took |= answer.ok() || answer.status == 404;
        }
        // The identity's end leaves the number shown.
        if took && filing::stands_in(number, &user, &PhoneField::Phone, reader) {
            self.put_user(user.id, Map::from_iter([("phone".to_owned(), json!(""))])).await?;
        }
        if took {
            self.notes.push("the number was taken from the user made for it".to_owned());
        }
        Ok(took)
    }

    /// Removes our user if it is empty. True when it is gone, whoever did it.
    async fn remove(&mut self, placeholder: &Placeholder, number: E164) -> Result<bool, Undone> {
        let id = placeholder.id();
        let Some(user) = user(self.errand, id).await? else { return Ok(true) };
        // What costs no request is asked first.
        let reader = &*self.errand.zendesk.numbers;
        let mut why = filing::why_kept(&user, placeholder, number, &[], 0, reader);
        if why.is_none() {
            let counts = self.errand.ask(&Ask::get("/users/{}/related", &[id.0])).await?;
            let counts = counts.read::<Related>()?.user_related;
            let lines = identities(self.errand, id.0, false).await?;
            let tickets = counts.requested_tickets + counts.ccd_tickets;
            why = filing::why_kept(&user, placeholder, number, &lines, tickets, reader);
        }
        if why.is_none() {
            let answer = self.errand.ask(&Ask::delete("/users/{}", &[id.0])).await?;
            if answer.ok() || answer.status == 404 {
                return Ok(true);
            }
            self.note(format!("the user made for the number stays: {}", answer.reason()));
        }
        if let Some(why) = why {
            self.note(format!("the user made for the number stays: {why}"));
        }
        Ok(false)
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Ended before anything could be written.
    fn ends(mut self, filed: Filed) -> Delivered {
        if self.update.number.is_some() {
            return self.done(Some(filed), false);
        }
        self.notes.push(format!("fields not written: {}", words(&filed)));
        self.done(None, false)
    }

    fn done(self, number: Option<Filed>, placeholder_removed: bool) -> Delivered {
        let mut note = match &number {
            Some(filed) => words(filed),
            None => "no number to write".to_owned(),
        };
        note.push_str(&format!(", {}", self.errand.cost()));
        if placeholder_removed {
            note.push_str("; the user made for the number is gone");
        }
        for one in &self.notes {
            note.push_str("; ");
            note.push_str(one);
        }
        if matches!(number, Some(Filed::NoRoom { .. })) {
            tracing::warn!(ticket.id = %self.update.ticket, "a number has no owner: every phone field of the person is taken");
        }
        Delivered { event: Event::PersonUpdated(PersonUpdated { number, placeholder_removed }), note }
    }
}

/// What became of the number, without names and numbers.
fn words(filed: &Filed) -> String {
    match filed {
        Filed::Written { person, place } => format!("number written to {place} of user {}", person.id),
        Filed::HadIt { person } => format!("user {} has the number already", person.id),
        Filed::NoRoom { person } => format!("no free phone field at user {}: nothing changed", person.id),
        Filed::Nobody => "nobody has the ticket yet".to_owned(),
        Filed::NotWritable { reason } => format!("number not written: {reason}"),
        Filed::TicketGone => "the ticket is gone".to_owned(),
    }
}
