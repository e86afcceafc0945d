//! report-service in this process, on a schema of its own.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use common::{
    caller::{Grant, Signer},
    config::Env,
    worker::Workers,
};
use lab::{
    database::{TestDatabase, database},
    http::{Api, Reply, serve},
};
use money::time;
use mysql::DatabaseConfig;
use report_service::{AppState, Config, app, start_workers};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{
    sources::{Cents, Sources, Totals},
    stub,
};

/// Connections that the service opens at most.
const POOL_SIZE: u32 = 8;
/// How long an answer may take: some requests take over tens of thousands of rows.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running service. Its workers run after [`Service::work`] only.
pub struct Service {
    /// Calls it as nobody in particular.
    pub api: Api,
    /// Where it is.
    pub base: String,
    /// The stub of the services behind it.
    pub sources: Sources,
    config: Config,
    state: AppState,
    workers: Workers,
    database: TestDatabase,
}

#[derive(Deserialize)]
struct Summary<'a> {
    total_transactions: i64,
    #[serde(borrow)]
    total_spent: &'a RawValue,
    #[serde(borrow)]
    total_received: &'a RawValue,
    last_transaction: Option<DateTime<Utc>>,
}

impl Service {
    /// In development mode; its workers take over what changed every second.
    pub async fn start() -> Self {
        let (database, sources) = (database().await, Sources::new());
        let peers = serve(stub::routes(&sources)).await;
        let environment = BTreeMap::from([
            ("APP_ENV", "development".to_owned()),
            ("USER_SERVICE_URL", peers.clone()),
            ("TRANSACTION_SERVICE_URL", peers),
            ("REPORT_SYNC_INTERVAL", "1".to_owned()),
        ]);
        let mut config = Config::from_env(Env::new(move |name| environment.get(name).cloned())).unwrap();
        config.service.database = DatabaseConfig::at(&database.url(), POOL_SIZE).unwrap();
        let state = AppState::new(&config);
        state.migrate().await.unwrap();
        let base = serve(app(state.clone())).await;
        let api = Api::new(base.as_str()).patient(PATIENCE);
        Self { api, base, sources, config, state, workers: Workers::default(), database }
    }

    /// Starts the service's workers.
    pub fn work(&self) {
        start_workers(&self.state, &self.config, &self.workers);
    }

    /// Starts those of the service's workers that run where nothing is taken over in the background.
    pub fn work_without_runs(&self) {
        start_workers(&self.state, &Config { sync_interval: None, ..self.config.clone() }, &self.workers);
    }

    /// Starts a second instance on the same schema, workers included, and returns its API.
    pub async fn second_instance(&self) -> Api {
        let state = AppState::new(&self.config);
        start_workers(&state, &self.config, &self.workers);
        Api::new(serve(app(state)).await)
    }

    /// Starts a second instance on the same schema, without workers, for which days begin in another time zone, and returns its API.
    pub async fn in_time_zone(&self, zone: &str) -> Api {
        let mut config = self.config.clone();
        config.service.timezone = zone.parse().unwrap();
        Api::new(serve(app(AppState::new(&config))).await)
    }

    /// Calls it as a user.
    pub fn as_user(&self, user: i64) -> Api {
        let grant = Grant::of(user.try_into().unwrap(), 0, 0, time::now(), 3_600);
        self.api.as_user(&Signer::new(&self.config.service).sign(&grant).unwrap())
    }

    /// Ends all workers, after what they are doing.
    pub async fn stop(&self) {
        self.workers.stop().await;
    }

    /// Asks for a report.
    pub async fn report(&self, user: i64, transaction: i64) -> Reply {
        report(&self.api.as_service(), user, transaction).await
    }

    /// The first page of a user's reports.
    pub async fn reports(&self, user: i64) -> Reply {
        self.api.get(&format!("/reports/user/{user}")).await
    }

    /// A user's summary.
    pub async fn summary(&self, user: i64) -> Reply {
        self.api.get(&format!("/summaries/user/{user}")).await
    }

    /// What a user's summary says, and whether it is of the time in which it was asked for.
    pub async fn told(&self, user: i64) -> (Totals, bool) {
        let asked = time::now();
        let summary = self.summary(user).await.expect(200);
        let moment: DateTime<Utc> = summary.header("x-data-as-of").parse().unwrap();
        (totals(&summary), moment >= asked)
    }

    /// What a user's summary says.
    pub async fn totals(&self, user: i64) -> Totals {
        totals(&self.summary(user).await.expect(200))
    }

    /// What the copies of a user's transactions add up to, whether or not that was ever true: how far a run has come.
    pub async fn counted(&self, user: i64) -> Totals {
        let counted: Option<(i64, String, String, Option<DateTime<Utc>>)> = sqlx::query_as(
            "SELECT total_transactions, CAST(total_spent AS CHAR), CAST(total_received AS CHAR), last_transaction
             FROM summaries WHERE user_id = ?",
        )
        .bind(user)
        .fetch_optional(&self.database.pool())
        .await
        .unwrap();
        counted.map_or_else(Totals::default, |(transactions, spent, received, last)| Totals {
            transactions,
            spent: cents(&spent),
            received: cents(&received),
            last,
        })
    }

    /// A page of a user's entries.
    pub async fn entries(&self, user: i64, query: &str) -> Reply {
        self.api.get(&format!("/entries/user/{user}{query}")).await
    }

    /// What a user could spend at a moment, or now.
    pub async fn balance(&self, user: i64, query: &str) -> Reply {
        self.api.get(&format!("/balances/user/{user}{query}")).await
    }

    /// Changes what the service has stored.
    pub async fn sql(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.database.pool()).await.unwrap();
    }

    /// A number that the service has stored.
    pub async fn stored(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.pool()).await.unwrap()
    }

    /// Takes everything over.
    pub async fn sync(&self) -> Reply {
        self.api.as_service().post_empty("/sync/all").await
    }

    /// Asserts that these users' summaries say what the sources know.
    pub async fn assert_agrees_with_sources(&self, users: &[i64]) {
        for user in users {
            assert_eq!(self.totals(*user).await, self.sources.totals(*user), "user {user}");
        }
    }
}

/// Asks for a report.
pub async fn report(api: &Api, user: i64, transaction: i64) -> Reply {
    api.post("/reports", json!({"user_id": user, "transaction_id": transaction})).await
}

/// What a summary says, its amounts read from the text of the answer.
pub fn totals(reply: &Reply) -> Totals {
    let summary: Summary<'_> =
        serde_json::from_str(&reply.text).unwrap_or_else(|error| panic!("{error}: {}", reply.text));
    Totals {
        transactions: summary.total_transactions,
        spent: cents(summary.total_spent.get()),
        received: cents(summary.total_received.get()),
        last: summary.last_transaction,
    }
}

fn cents(text: &str) -> Cents {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    assert!(decimals.len() <= 2, "{text} has too many decimals");
    Cents(format!("{whole}{decimals:0<2}").parse().unwrap_or_else(|_| panic!("{text} is no amount")))
}
