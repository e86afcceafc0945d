//! What the connections of a load send, what must be answered, and which rows that must leave behind.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result};
use hyper::{Method, StatusCode, Uri};
use lab::wallet::Service;
use serde::Deserialize;

use super::{
    connection::{Ask, Connection},
    people::{PASSWORD, People, Person},
};

/// The largest amount of a transfer, in whole units: small, so that balances last.
const MAX_AMOUNT: u64 = 100;
/// More than anybody can have: see [`super::people::BALANCE`].
const TOO_MUCH: u64 = 900_000_000_000;
/// Receivers of a payment that is shared.
const RECEIVERS: usize = 10;
/// Payouts of a batch.
pub const BATCH: usize = 1000;
/// How many names the transactions of a seed have.
pub const LABELS: u64 = 7;
/// Rows of a page that is found by a name: so few that it is full in a small table too.
const FOUND: u32 = 10;
/// One request of so many asks for too much.
const REFUSED_OF: u8 = 5;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `POST /transactions` in one step.
    Transfers(Parties),
    /// The same; one in five asks for more than the sender has.
    Refusals,
    /// `POST /transactions`, then `PUT` of the decision; one turn is both.
    Pairs,
    /// `POST /transactions` in one step, shared among [`RECEIVERS`].
    Splits,
    /// `POST /transactions` in one step, then `POST …/refunds` of all of it; one turn is both.
    Refunds,
    /// `POST /transactions/batch`, atomic, of [`BATCH`] payouts.
    Batches,
    /// `POST /users/{id}/topup`
    TopUps,
    /// `GET /users/{id}/balance`
    Balances,
    /// `GET /transactions/user/{id}` of the users who have a full page in every table.
    NewestPages,
    /// The same of those that have one of [`LABELS`] names, as their reference or in their metadata.
    FoundPages,
    /// `GET /entries/user/{id}` of the users who have entries in every table.
    EntryPages,
    /// `GET /balances/user/{id}` of the same, at some moment.
    BalancesAt,
    /// `GET /statements/user/{id}` of the same, of [`STATEMENT`] entries, in a form.
    Statements(&'static str),
    /// `POST /auth/login`
    Logins,
}

/// The period of a statement.
pub const STATEMENT: &str = "from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:10Z";

/// Who pays whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parties {
    /// Any two different users.
    Any,
    /// Everybody the first user.
    OneReceiver,
    /// The first user everybody.
    OneSender,
}

/// What came of a turn that went as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was carried out.
    Acknowledged,
    /// It was refused, as it had to be.
    Refused,
}

/// Rows by what they are; see [`super::super::books`].
pub type Rows = BTreeMap<String, u64>;

/// A kind of request and the users who send it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Workload {
    /// What is sent.
    pub kind: Kind,
    /// By whom.
    pub people: Arc<People>,
}

#[derive(Deserialize)]
struct Created {
    id: i64,
}

impl Kind {
    /// The service that is asked.
    pub fn service(self) -> Service {
        match self {
            Self::Transfers(_)
            | Self::Refusals
            | Self::Pairs
            | Self::Splits
            | Self::Refunds
            | Self::Batches
            | Self::NewestPages
            | Self::FoundPages => Service::Transaction,
            Self::TopUps | Self::Balances | Self::Logins => Service::User,
            Self::EntryPages | Self::BalancesAt | Self::Statements(_) => Service::Report,
        }
    }

    /// What a turn is called when many of them are counted.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Transfers(_) => "transfers",
            Self::Splits => "splits",
            Self::Refunds => "payments and refunds",
            Self::Batches => "batches",
            Self::Refusals => "requests",
            Self::Pairs => "pairs",
            Self::TopUps => "top-ups",
            Self::Balances | Self::BalancesAt => "reads",
            Self::NewestPages | Self::FoundPages | Self::EntryPages => "pages",
            Self::Statements(_) => "statements",
            Self::Logins => "logins",
        }
    }

    /// The rows that must have come about.
    pub fn rows(self, acknowledged: u64, refused: u64) -> Rows {
        let rows: &[(&str, u64)] = match self {
            Self::Transfers(_) | Self::Refusals => &[
                ("transactions completed", acknowledged),
                ("transactions failed", refused),
                ("operations transfer", acknowledged),
                ("operations transfer refused", refused),
            ],
            Self::Pairs => &[
                ("transactions completed", acknowledged),
                ("operations hold", acknowledged),
                ("operations capture", acknowledged),
            ],
            Self::Splits => &[("transactions completed", acknowledged), ("operations transfer", acknowledged)],
            Self::Refunds => &[
                ("transactions completed", 2 * acknowledged),
                ("operations transfer", acknowledged),
                ("operations refund", acknowledged),
            ],
            Self::Batches => {
                &[("transactions completed", BATCH as u64 * acknowledged), ("operations batch", acknowledged)]
            }
            Self::TopUps => &[("operations topup", acknowledged)],
            Self::Balances
            | Self::NewestPages
            | Self::FoundPages
            | Self::EntryPages
            | Self::BalancesAt
            | Self::Statements(_)
            | Self::Logins => &[],
        };
        rows.iter().filter(|(_, count)| *count > 0).map(|(what, count)| ((*what).to_owned(), *count)).collect()
    }
}

impl Workload {
    /// One turn: a request and its answer, or two of each for a pair. Any other answer than the expected one is an error.
    pub async fn turn(&self, connection: &mut Connection, random: &mut fastrand::Rng) -> Result<Verdict> {
        let people = &*self.people;
        match self.kind {
            Kind::Transfers(parties) => self.transfer(connection, random, parties).await,
            Kind::Refusals if random.u8(..REFUSED_OF) == 0 => {
                let (sender, receiver) = pick(&people.all, Parties::Any, random);
                let ask = pay(people, sender, receiver, TOO_MUCH, true);
                connection.ask(ask).await?.expect_error(StatusCode::BAD_REQUEST, "insufficient_balance")?;
                Ok(Verdict::Refused)
            }
            Kind::Refusals => self.transfer(connection, random, Parties::Any).await,
            Kind::Pairs => self.pair(connection, random).await,
            Kind::Splits => self.split(connection, random).await,
            Kind::Refunds => self.refund(connection, random).await,
            Kind::Batches => self.batch(connection, random).await,
            Kind::TopUps => {
                let person = any(&people.all, random);
                let body = format!(r#"{{"amount":{}}}"#, random.u64(1..=MAX_AMOUNT));
                let (uri, bearer) = (&person.top_up, Some(&person.bearer));
                connection.ask(Ask { method: Method::POST, uri, bearer, body }).await?.expect(StatusCode::OK)?;
                Ok(Verdict::Acknowledged)
            }
            Kind::Balances => {
                let person = any(&people.all, random);
                read(connection, &person.balance, person).await
            }
            Kind::NewestPages => {
                let person = any(people.readers(), random);
                read(connection, &person.page, person).await
            }
            Kind::FoundPages => {
                let person = any(people.readers(), random);
                let (page, name) = (&person.page, label(random.u64(..LABELS)));
                let filter = if random.bool() { "reference" } else { "metadata[order]" };
                let uri = Uri::try_from(format!("{page}?{filter}={name}&limit={FOUND}"))?;
                read(connection, &uri, person).await
            }
            Kind::EntryPages => {
                let person = any(people.readers(), random);
                read(connection, &Uri::try_from(format!("/entries/user/{}", person.id))?, person).await
            }
            Kind::BalancesAt => {
                let person = any(&people.all, random);
                let at = format!("2026-01-01T00:00:0{}.{:06}Z", random.u8(..10), random.u32(..1_000_000));
                read(connection, &Uri::try_from(format!("/balances/user/{}?at={at}", person.id))?, person).await
            }
            Kind::Statements(format) => {
                let person = any(people.readers(), random);
                let uri = format!("/statements/user/{}?{STATEMENT}&format={format}", person.id);
                read(connection, &Uri::try_from(uri)?, person).await
            }
            Kind::Logins => {
                let body = format!(r#"{{"email":"{}","password":"{PASSWORD}"}}"#, any(&people.all, random).email);
                let ask = Ask { method: Method::POST, uri: &people.login, bearer: None, body };
                connection.ask(ask).await?.expect(StatusCode::OK)?;
                Ok(Verdict::Acknowledged)
            }
        }
    }

    async fn transfer(
        &self,
        connection: &mut Connection,
        random: &mut fastrand::Rng,
        parties: Parties,
    ) -> Result<Verdict> {
        let (sender, receiver) = pick(&self.people.all, parties, random);
        let ask = pay(&self.people, sender, receiver, random.u64(1..=MAX_AMOUNT), true);
        // 202 would be an outcome that is not known yet: no acknowledgement
        connection.ask(ask).await?.expect(StatusCode::CREATED)?;
        Ok(Verdict::Acknowledged)
    }

    async fn split(&self, connection: &mut Connection, random: &mut fastrand::Rng) -> Result<Verdict> {
        let people = &self.people.all;
        let first = random.usize(..people.len());
        let sender = &people[first];
        let share = random.u64(1..=MAX_AMOUNT / 10);
        let receivers = (1..=RECEIVERS).map(|n| &people[(first + n * 7) % people.len()]);
        let splits = receivers.map(|receiver| format!(r#"{{"receiver_id":{},"amount":{share}}}"#, receiver.id));
        let (splits, amount) = (splits.collect::<Vec<_>>().join(","), share * RECEIVERS as u64);
        let body = format!(
            r#"{{"sender_id":{},"splits":[{splits}],"amount":{amount},"description":"Order","auto_complete":true}}"#,
            sender.id
        );
        let ask = Ask { method: Method::POST, uri: &self.people.transactions, bearer: Some(&sender.bearer), body };
        connection.ask(ask).await?.expect(StatusCode::CREATED)?;
        Ok(Verdict::Acknowledged)
    }

    async fn refund(&self, connection: &mut Connection, random: &mut fastrand::Rng) -> Result<Verdict> {
        let (sender, receiver) = pick(&self.people.all, Parties::Any, random);
        let ask = pay(&self.people, sender, receiver, random.u64(1..=MAX_AMOUNT), true);
        let paid = connection.ask(ask).await?.expect(StatusCode::CREATED)?;
        let Created { id } = serde_json::from_slice(&paid.body).context("a created transaction has an id")?;
        let uri = Uri::try_from(format!("/transactions/{id}/refunds"))?;
        let (bearer, body) = (Some(&receiver.bearer), r#"{"reason":"damaged"}"#.to_owned());
        connection.ask(Ask { method: Method::POST, uri: &uri, bearer, body }).await?.expect(StatusCode::CREATED)?;
        Ok(Verdict::Acknowledged)
    }

    async fn batch(&self, connection: &mut Connection, random: &mut fastrand::Rng) -> Result<Verdict> {
        let people = &self.people.all;
        let first = random.usize(..people.len());
        let sender = &people[first];
        let mut payouts = Vec::new();
        for receiver in people.iter().cycle().skip(first + 1).filter(|person| person.id != sender.id).take(BATCH) {
            payouts.push(format!(
                r#"{{"sender_id":{},"receiver_id":{},"amount":1,"description":"Payout","auto_complete":true}}"#,
                sender.id, receiver.id
            ));
        }
        let body = format!(r#"{{"atomic":true,"transactions":[{}]}}"#, payouts.join(","));
        let ask = Ask { method: Method::POST, uri: &self.people.batches, bearer: Some(&sender.bearer), body };
        connection.ask(ask).await?.expect(StatusCode::CREATED)?;
        Ok(Verdict::Acknowledged)
    }

    async fn pair(&self, connection: &mut Connection, random: &mut fastrand::Rng) -> Result<Verdict> {
        let (sender, receiver) = pick(&self.people.all, Parties::Any, random);
        let ask = pay(&self.people, sender, receiver, random.u64(1..=MAX_AMOUNT), false);
        let created = connection.ask(ask).await?.expect(StatusCode::CREATED)?;
        let Created { id } = serde_json::from_slice(&created.body).context("a created transaction has an id")?;
        let uri = Uri::try_from(format!("/transactions/{id}"))?;
        let body = r#"{"status":"completed"}"#.to_owned();
        let ask = Ask { method: Method::PUT, uri: &uri, bearer: Some(&sender.bearer), body };
        connection.ask(ask).await?.expect(StatusCode::OK)?;
        Ok(Verdict::Acknowledged)
    }
}

fn pay<'a>(people: &'a People, sender: &'a Person, receiver: &Person, amount: u64, at_once: bool) -> Ask<'a> {
    let body = format!(
        r#"{{"sender_id":{},"receiver_id":{},"amount":{amount},"description":"Lunch","auto_complete":{at_once}}}"#,
        sender.id, receiver.id
    );
    Ask { method: Method::POST, uri: &people.transactions, bearer: Some(&sender.bearer), body }
}

async fn read(connection: &mut Connection, uri: &Uri, person: &Person) -> Result<Verdict> {
    let ask = Ask { method: Method::GET, uri, bearer: Some(&person.bearer), body: String::new() };
    connection.ask(ask).await?.expect(StatusCode::OK)?;
    Ok(Verdict::Acknowledged)
}

/// One of the names that the transactions of a seed have.
pub fn label(number: u64) -> String {
    format!("order-{number}")
}

fn any<'a>(people: &'a [Person], random: &mut fastrand::Rng) -> &'a Person {
    &people[random.usize(..people.len())]
}

/// Two different users.
fn pick<'a>(people: &'a [Person], parties: Parties, random: &mut fastrand::Rng) -> (&'a Person, &'a Person) {
    let one = if parties == Parties::Any { random.usize(..people.len()) } else { 0 };
    let other = (one + random.usize(1..people.len())) % people.len();
    match parties {
        Parties::OneReceiver => (&people[other], &people[one]),
        Parties::Any | Parties::OneSender => (&people[one], &people[other]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parties_are_two_and_the_hot_one_is_always_there() {
        let people = People::for_test(5);
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let (sender, receiver) = pick(&people.all, Parties::Any, &mut random);
            assert_ne!(sender.id, receiver.id);
            assert_eq!(pick(&people.all, Parties::OneReceiver, &mut random).1.id, people.all[0].id);
            assert_ne!(pick(&people.all, Parties::OneReceiver, &mut random).0.id, people.all[0].id);
            assert_eq!(pick(&people.all, Parties::OneSender, &mut random).0.id, people.all[0].id);
        }
    }

    #[test]
    fn a_transfer_is_asked_for_as_the_api_documents_it() {
        let people = People::for_test(2);
        let ask = pay(&people, &people.all[0], &people.all[1], 7, true);
        let body: serde_json::Value = serde_json::from_str(&ask.body).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "sender_id": 1, "receiver_id": 2, "amount": 7, "description": "Lunch", "auto_complete": true
            })
        );
    }

    #[test]
    fn rows_are_those_of_what_was_acknowledged_and_refused() {
        let rows = Kind::Refusals.rows(8, 2);
        assert_eq!((rows["transactions completed"], rows["operations transfer refused"]), (8, 2));
        assert_eq!(Kind::Transfers(Parties::Any).rows(8, 0).len(), 2, "what is not there is not listed");
        assert!(Kind::Balances.rows(8, 0).is_empty());
    }
}
