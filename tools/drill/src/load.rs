//! People who pay all the while, through the gateway, as patiently as a shop's back end: with an `Idempotency-Key`, and without a
//! second try.

use std::{
    collections::BTreeSet,
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::containers::Project;

/// People who pay each other.
const PEOPLE: usize = 6;
/// Requests of all of them together in a second.
const EACH_SECOND: u64 = 33;
const PASSWORD: &str = "a walk along the river";
const TOP_UP: i64 = 1_000_000;

/// Somebody with an account.
#[derive(Debug, Clone)]
struct Person {
    id: i64,
    email: String,
    token: String,
}

/// What the load has seen since [`Load::begin`].
#[derive(Debug, Default)]
pub struct Seen {
    /// Requests that were answered or failed.
    pub requests: usize,
    /// What came of those that failed.
    pub failed: Vec<String>,
    /// How long the slowest took.
    pub slowest: Duration,
    paid: BTreeSet<i64>,
}

struct Shared {
    http: Client,
    base: String,
    people: Mutex<Vec<Person>>,
    seen: Mutex<Seen>,
    keys: AtomicU64,
    is_over: AtomicBool,
}

/// The load, until it is stopped.
pub struct Load {
    shared: Arc<Shared>,
    paying: JoinSet<()>,
    paid: BTreeSet<i64>,
}

impl Load {
    /// Opens accounts with money, and begins.
    pub async fn start(project: &Project) -> Result<Self> {
        rustls::crypto::ring::default_provider().install_default().ok(); // fails where it is installed already
        #[expect(clippy::disallowed_methods, reason = "this is a client of people, not of services")]
        let http = Client::builder()
            .danger_accept_invalid_certs(true) // the drill's gateway has signed its own
            .timeout(Duration::from_secs(20))
            .build()?;
        let shared = Arc::new(Shared {
            http,
            base: format!("https://localhost:{}", project.port("GATEWAY_HOST_PORT")),
            people: Mutex::default(),
            seen: Mutex::default(),
            keys: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        for number in 0..PEOPLE {
            let person = shared.register(number).await?;
            // in production money comes in through services alone, and services are inside
            project.shell(&format!(
                "docker compose exec -T user-service sh -c 'curl -fsS localhost:5001/users/{}/topup -H \"X-Service-Token: $SERVICE_TOKEN\" \
                 -H \"Content-Type: application/json\" -d \"{{\\\"amount\\\": {TOP_UP}}}\"'",
                person.id
            ))?;
            shared.people.lock().expect("it is never poisoned").push(person);
        }
        let mut paying = JoinSet::new();
        for number in 0..PEOPLE {
            let shared = shared.clone();
            paying.spawn(async move { shared.keep_paying(number).await });
        }
        Ok(Self { shared, paying, paid: BTreeSet::new() })
    }

    /// From now on it counts.
    pub fn begin(&mut self) {
        self.end();
    }

    /// What was seen since.
    pub fn end(&mut self) -> Seen {
        let mut seen = mem::take(&mut *self.shared.seen.lock().expect("it is never poisoned"));
        self.paid.append(&mut seen.paid);
        seen
    }

    /// New tokens for everybody.
    pub async fn log_in_again(&self) -> Result<()> {
        for number in 0..PEOPLE {
            let mut person = self.shared.person(number);
            person.token = self.shared.log_in(&person.email).await?;
            self.shared.people.lock().expect("it is never poisoned")[number] = person;
        }
        Ok(())
    }

    /// Stops paying, and returns the transactions that were acknowledged.
    pub async fn stop(&mut self) -> Result<BTreeSet<i64>> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.paying.join_next().await {
            ended.context("somebody could not go on paying")?;
        }
        self.end();
        Ok(self.paid.clone())
    }

    /// Makes sure that each of `paid` is there, completed, for those who log in again.
    pub async fn check_books(&self, paid: &BTreeSet<i64>) -> Result<()> {
        ensure!(!paid.is_empty(), "nobody has paid anything");
        self.log_in_again().await?;
        let mut found = BTreeSet::new();
        for number in 0..PEOPLE {
            let person = self.shared.person(number);
            let mut path = Some(format!("/transactions/user/{}?limit=200", person.id));
            while let Some(next) = path {
                let answer = self.shared.http.get(self.shared.url(&next)).bearer_auth(&person.token).send().await?;
                ensure!(answer.status() == StatusCode::OK, "{next} answered {}", answer.status());
                let link = answer.headers().get("link").and_then(|link| link.to_str().ok()).map(str::to_owned);
                path = link.and_then(|link| Some(link.split_once('<')?.1.split_once('>')?.0.to_owned()));
                let page: Vec<Value> = answer.json().await?;
                found.extend(
                    page.iter().filter(|row| row["status"] == "completed").filter_map(|row| row["id"].as_i64()),
                );
                sleep(Duration::from_millis(50)).await; // within the limits
            }
        }
        let lost: Vec<_> = paid.difference(&found).collect();
        ensure!(lost.is_empty(), "{} of {} acknowledged payments are lost: {lost:?}", lost.len(), paid.len());
        Ok(())
    }
}

impl Shared {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn person(&self, number: usize) -> Person {
        self.people.lock().expect("it is never poisoned")[number].clone()
    }

    async fn register(&self, number: usize) -> Result<Person> {
        let email = format!("drill{number}@example.com");
        let account = json!({"full_name": format!("Person {number}"), "email": email, "password": PASSWORD});
        let answer = self.http.post(self.url("/auth/register")).json(&account).send().await?;
        ensure!(answer.status() == StatusCode::CREATED, "nobody can register: {}", answer.text().await?);
        let body: Value = answer.json().await?;
        let id = body["id"].as_i64().or(body["user"]["id"].as_i64()).context("an account has an id")?;
        let token = self.log_in(&email).await?;
        Ok(Person { id, email, token })
    }

    async fn log_in(&self, email: &str) -> Result<String> {
        let login = json!({"email": email, "password": PASSWORD});
        let answer = self.http.post(self.url("/auth/login")).json(&login).send().await?;
        ensure!(answer.status() == StatusCode::OK, "{email} cannot log in: {}", answer.text().await?);
        Ok(answer.json::<Value>().await?["access_token"].as_str().context("a login gives a token")?.to_owned())
    }

    /// In turn a payment and a look at the balance.
    async fn keep_paying(&self, number: usize) {
        let pause =
            Duration::from_secs(1) * u32::try_from(PEOPLE).unwrap_or(1) / u32::try_from(EACH_SECOND).unwrap_or(1);
        let mut turns = interval(pause);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay); // nobody makes up for a slow answer by asking faster
        while !self.is_over.load(Ordering::Relaxed) {
            turns.tick().await;
            let key = self.keys.fetch_add(1, Ordering::Relaxed);
            let begun = Instant::now();
            let (payer, payee) = (self.person(number), self.person((number + 1) % PEOPLE));
            let outcome =
                if key.is_multiple_of(3) { self.look(&payer).await } else { self.pay(&payer, &payee, key).await };
            let mut seen = self.seen.lock().expect("it is never poisoned");
            seen.requests += 1;
            seen.slowest = seen.slowest.max(begun.elapsed());
            match outcome {
                Ok(paid) => seen.paid.extend(paid),
                Err(error) => seen.failed.push(format!("{error:#}")),
            }
        }
    }

    async fn look(&self, person: &Person) -> Result<Option<i64>> {
        let path = format!("/users/{}/balance", person.id);
        let answer = self.http.get(self.url(&path)).bearer_auth(&person.token).send().await?;
        let status = answer.status();
        ensure!(status == StatusCode::OK, "balance: {status} {}", answer.text().await.unwrap_or_default());
        Ok(None)
    }

    async fn pay(&self, payer: &Person, payee: &Person, key: u64) -> Result<Option<i64>> {
        let payment = json!({"sender_id": payer.id, "receiver_id": payee.id, "amount": 1, "auto_complete": true});
        let request = self.http.post(self.url("/transactions")).bearer_auth(&payer.token).json(&payment);
        let answer = request.header("Idempotency-Key", format!("drill-{key}")).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(matches!(status, StatusCode::CREATED | StatusCode::ACCEPTED), "payment: {status} {text}");
        let body: Value = serde_json::from_str(&text)?;
        Ok((status == StatusCode::CREATED).then(|| body["id"].as_i64()).flatten())
    }
}
