//! A whole wallet for the benchmark: the four services as processes, on schemas of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use lab::{
    database::TestDatabase,
    wallet::{Service, Wallet, WalletOptions},
    workspace_root,
};
use sqlx::MySqlPool;
use tempfile::TempDir;

use super::{
    api::Api,
    cpu::{self, Watched},
    load::{
        Load,
        people::People,
        workload::{Kind, Workload},
    },
    plan::Effort,
    server::DatabaseServer,
};

/// The variable that says how many requests may share a commit.
pub const GROUP_COMMIT_MAX: &str = "GROUP_COMMIT_MAX";

/// A wallet. Its processes and schemas are gone when it is dropped.
pub struct Site {
    // Dropped in this order: the services stop before their schemas go.
    wallet: Wallet,
    schemas: Vec<TestDatabase>,
    pools: [MySqlPool; 4],
    _folder: TempDir,
    /// Its API.
    pub api: Api,
    /// Its users.
    pub people: Arc<People>,
    database: Option<u32>,
    peaks: [Option<u64>; 4],
}

/// The logs of the services, which are kept if something fails.
pub fn logs() -> PathBuf {
    workspace_root().join("target/bench/logs")
}

/// Where mails are kept in memory. On ext4, creating files is slower for minutes after as many were deleted, so one run would
/// slow the next one down.
const MEMORY: &str = "/dev/shm";

impl Site {
    /// Starts an empty wallet with [`People`]. Everything is as in production with default settings, except for the
    /// variables in `environment`.
    pub async fn start(
        server: &DatabaseServer,
        binaries: &Path,
        name: &str,
        environment: &[(Service, &str, &str)],
    ) -> Result<Self> {
        let mut schemas = Vec::new();
        for _ in Service::ALL {
            schemas.push(server.admin.schema().await?);
        }
        let mut configs = [0, 1, 2, 3].map(|n: usize| schemas[n].schema.clone());
        if let Some(port) = server.distant_port() {
            for config in &mut configs {
                (config.host, config.port) = ("127.0.0.1".to_owned(), port);
            }
        }
        // Outside the checkout, so that no service reads its .env: mail must go to a folder, and to nobody.
        let folder = if Path::new(MEMORY).is_dir() { tempfile::tempdir_in(MEMORY) } else { tempfile::tempdir() };
        let folder = folder.context("cannot make a folder for temporary files: set TMPDIR")?;
        let mut options = WalletOptions::for_test(binaries, configs, folder.path());
        options.logs = logs().join(name);
        options.mail = folder.path().join("mail");
        for (service, name, value) in environment {
            options.set(*service, name, value);
        }
        let wallet = Wallet::start(options).await?;
        let pools = [0, 1, 2, 3].map(|n: usize| schemas[n].pool());
        let api = Api::new(&wallet);
        let people = Arc::new(People::make(&api, &pools[Service::User as usize]).await?);
        Ok(Self { wallet, schemas, pools, _folder: folder, api, people, database: server.pid, peaks: [None; 4] })
    }

    /// A few connections to the schema of `service`.
    pub fn pool(&self, service: Service) -> &MySqlPool {
        &self.pools[service as usize]
    }

    /// The schema of `service`.
    pub fn schema(&self, service: Service) -> &TestDatabase {
        &self.schemas[service as usize]
    }

    /// The processes whose processor time is taken.
    pub fn watched(&mut self) -> Watched {
        let [user, transaction, notification, report] = Service::ALL.map(|service| self.pid(service));
        Watched([self.database, user, transaction, notification, report])
    }

    /// A load of `kind`, for the time that `effort` gives it.
    pub fn load(&mut self, connections: usize, kind: Kind, effort: &Effort) -> Result<Load> {
        let url = self.wallet.url(kind.service());
        let address = url.trim_start_matches("http://").parse().with_context(|| format!("{url} has no address"))?;
        let workload = Workload { kind, people: self.people.clone() };
        let Effort { warm_up, measured, .. } = *effort;
        Ok(Load { address, connections, warm_up, measured, workload, watched: self.watched() })
    }

    /// Starts each service again and returns how long each took to be ready, on a schema that is up to date.
    pub async fn times_to_ready(&mut self) -> Result<[Duration; 4]> {
        let mut times = [Duration::ZERO; 4];
        for service in Service::ALL {
            self.stop_one(service).await;
            let started = Instant::now();
            self.wallet.start_again(service).await?;
            times[service as usize] = started.elapsed();
        }
        Ok(times)
    }

    /// Starts user-service and transaction-service again, with at most `max` requests in a commit.
    pub async fn set_group_commit(&mut self, max: usize) -> Result<()> {
        let both = [Service::User, Service::Transaction];
        for service in both.into_iter().rev() {
            self.stop_one(service).await;
        }
        for service in both {
            self.wallet.set(service, GROUP_COMMIT_MAX, &max.to_string());
            self.start_one(service).await?;
        }
        Ok(())
    }

    /// Stops one service in good order.
    pub async fn stop_one(&mut self, service: Service) {
        self.note_peaks();
        self.wallet.stop_one(service).await;
    }

    /// Starts a service that was stopped.
    pub async fn start_one(&mut self, service: Service) -> Result<()> {
        self.wallet.start_again(service).await
    }

    /// Kills one service, and starts it again.
    pub async fn kill(&mut self, service: Service) -> Result<()> {
        self.note_peaks();
        self.wallet.kill(service);
        self.start_one(service).await
    }

    /// Stops all four in good order.
    pub async fn stop(&mut self) {
        self.note_peaks();
        self.wallet.stop().await;
    }

    /// Starts all four again.
    pub async fn start_again(&mut self) -> Result<()> {
        for service in Service::ALL {
            self.start_one(service).await?;
        }
        Ok(())
    }

    /// The most memory that each service had resident so far, in bytes, over all its starts.
    pub fn peaks(&mut self) -> [Option<u64>; 4] {
        self.note_peaks();
        self.peaks
    }

    /// The most memory that the running process of a service had resident, in bytes.
    pub fn peak(&mut self, service: Service) -> Option<u64> {
        cpu::peak_memory(self.pid(service)?)
    }

    /// The memory that the running process of a service has resident now, in bytes.
    pub fn memory(&mut self, service: Service) -> Option<u64> {
        cpu::memory(self.pid(service)?)
    }

    /// Removes the logs of a run that went well.
    pub fn remove_logs() {
        fs::remove_dir_all(logs()).ok();
    }

    fn note_peaks(&mut self) {
        for service in Service::ALL {
            let now = self.peak(service);
            let peak = &mut self.peaks[service as usize];
            *peak = (*peak).max(now);
        }
    }

    fn pid(&mut self, service: Service) -> Option<u32> {
        self.wallet.process(service).map(|process| process.pid())
    }
}
