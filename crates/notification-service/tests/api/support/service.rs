//! notification-service in this process, on a schema of its own.

use std::{collections::BTreeMap, future::pending};

use common::{
    caller::{Grant, Signer},
    config::{Env, Mode},
    worker::Workers,
};
use lab::{
    admin::Schema,
    database::{TestDatabase, database},
    http::{Api, Reply, eventually, serve},
};
use money::time;
use mysql::DatabaseConfig;
use notification_service::{AppState, Config, app, start_workers};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::users::Users;

/// Connections that the service opens at most.
const POOL_SIZE: u32 = 8;

/// A running service. Its workers run after [`Service::work`] only.
pub struct Service {
    /// Calls it as nobody in particular.
    pub api: Api,
    /// The stub of user-service.
    pub users: Users,
    config: Config,
    state: AppState,
    workers: Workers,
    mail_folder: TempDir,
    database: TestDatabase,
}

impl Service {
    /// In development mode, without a mail server.
    pub async fn start() -> Self {
        Self::with(&[], Mode::Development).await
    }

    /// In production mode, without a mail server.
    pub async fn in_production() -> Self {
        Self::with(&[], Mode::Production).await
    }

    /// In production mode with these variables, without a mail server.
    pub async fn in_production_with(variables: &[(&'static str, String)]) -> Self {
        Self::with(variables, Mode::Production).await
    }

    /// In development mode with these variables.
    pub async fn with_variables(variables: &[(&'static str, String)]) -> Self {
        Self::with(variables, Mode::Development).await
    }

    async fn with(variables: &[(&'static str, String)], mode: Mode) -> Self {
        let (database, users, mail_folder) = (database().await, Users::new(), tempfile::tempdir().unwrap());
        let mut environment: BTreeMap<&'static str, String> = BTreeMap::from([
            ("APP_ENV", "development".into()),
            ("USER_SERVICE_URL", serve(users.routes()).await),
            ("MAIL_DIR", mail_folder.path().display().to_string()),
            ("MAIL_RETRY_SECONDS", "1".into()),
            ("SENDER_EMAIL", "noreply@wallet.example".into()),
        ]);
        environment.extend(variables.iter().cloned());
        let mut config = Config::from_env(Env::new(move |name| environment.get(name).cloned())).unwrap();
        config.service.mode = mode;
        config.service.database = DatabaseConfig::at(&database.url(), POOL_SIZE).unwrap();
        let state = AppState::new(&config).unwrap();
        state.migrate().await.unwrap();
        let api = Api::new(serve(app(state.clone())).await);
        Self { api, users, config, state, workers: Workers::default(), mail_folder, database }
    }

    /// Starts the service's workers.
    pub fn work(&self) {
        start_workers(&self.state, &self.config, &self.workers);
    }

    /// Starts a second instance on the same schema, workers included, and returns its API.
    pub async fn second_instance(&self) -> Api {
        let state = AppState::new(&self.config).unwrap();
        start_workers(&state, &self.config, &self.workers);
        Api::new(serve(app(state)).await)
    }

    /// Starts an instance on the same schema, workers included, that ends as in a crash when the runtime is shut down.
    pub fn doomed_instance(&self) -> Runtime {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = self.config.clone();
        runtime.spawn(async move {
            let workers = Workers::default();
            start_workers(&AppState::new(&config).unwrap(), &config, &workers);
            pending::<()>().await;
        });
        runtime
    }

    /// Where its schema is.
    pub fn database(&self) -> &Schema {
        &self.database.schema
    }

    /// Runs a statement behind its back.
    pub async fn execute(&self, statement: &'static str) {
        let pool = self.database.pool();
        sqlx::raw_sql(statement).execute(&pool).await.unwrap();
        pool.close().await;
    }

    /// Stores a notification for each user and message, and returns their numbers.
    pub async fn tell(&self, messages: impl IntoIterator<Item = (i64, String)>) -> Vec<i64> {
        let mut ids = Vec::new();
        for (user, message) in messages {
            ids.push(self.notify(user, &message).await);
        }
        ids
    }

    /// Hands facts over.
    pub async fn hand_over(&self, facts: &[Value]) -> Reply {
        self.api.as_service().post("/internal/facts", json!({"facts": facts})).await
    }

    /// Ends all workers, after what they are doing.
    pub async fn stop(&self) {
        self.workers.stop().await;
    }

    /// Calls it as `user`.
    pub fn as_user(&self, user: i64) -> Api {
        let grant = Grant::of(user.try_into().unwrap(), 0, 0, time::now(), 60);
        let token = Signer::new(&self.config.service).sign(&grant).unwrap();
        self.api.as_user(&token)
    }

    /// Stores a notification and returns its number.
    pub async fn notify(&self, user: i64, message: &str) -> i64 {
        let body = json!({"user_id": user, "message": message});
        self.api.as_service().post("/notifications", body).await.expect(201).id()
    }

    /// Stores a notification that has failed and returns its number.
    pub async fn notify_failed(&self, user: i64, message: &str) -> i64 {
        let id = self.notify(user, message).await;
        let body = json!({"status": "failed"});
        let _ = self.api.as_service().put(&format!("/notifications/{id}"), body).await.expect(200);
        id
    }

    /// The notification as it stands.
    pub async fn show(&self, id: i64) -> Reply {
        self.api.as_service().get(&format!("/notifications/{id}")).await.expect(200)
    }

    /// Asks to mail it now.
    pub async fn send(&self, id: i64) -> Reply {
        self.api.post_empty(&format!("/notifications/{id}/send")).await
    }

    /// Asks to mail one that had failed.
    pub async fn resend(&self, id: i64) -> Reply {
        self.api.post_empty(&format!("/notifications/{id}/resend")).await
    }

    /// Waits until the notification has `status`.
    pub async fn becomes(&self, id: i64, status: &str) -> Reply {
        let what = format!("notification {id} to be {status}");
        eventually(&what, async || Some(self.show(id).await).filter(|reply| reply["status"] == status)).await
    }

    /// The mails that were written for want of a server, by file name.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(self.mail_folder.path()).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
    }
}

/// The values of a member in a list.
pub fn pluck(list: &Value, member: &str) -> Vec<Value> {
    list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter().map(|item| item[member].clone()).collect()
}
