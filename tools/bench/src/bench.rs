//! What every scenario works with.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use lab::{ui, wallet::Service};
use money::time;

use super::{
    machine::{self, Machine},
    plan::Effort,
    progress::Progress,
    results::{Results, ServiceFacts},
    server::DatabaseServer,
};

/// What every scenario works with.
pub struct Bench {
    pub effort: &'static Effort,
    pub progress: Progress,
    pub server: DatabaseServer,
    pub binaries: PathBuf,
    pub results: Results,
}

impl Bench {
    /// Starts the database, and notes where all this runs.
    pub async fn start(
        effort: &'static Effort,
        scenarios: usize,
        binaries: PathBuf,
        far: Option<Duration>,
    ) -> Result<Self> {
        let server = DatabaseServer::start(far).await?;
        let facts = server.facts().await?;
        if !facts.durable {
            ui::error("this database server can lose commits in a crash: the figures count for nothing");
        }
        let results = Results {
            began: time::now().to_rfc3339(),
            effort: effort.name,
            commit: machine::commit(),
            machine: Machine::find(server.folder.path()),
            server: facts,
            loads: Vec::new(),
            floor_batches: Vec::new(),
            drain: None,
            sync: None,
            taken_over: None,
            long_statements: Vec::new(),
            schedules: Vec::new(),
            services: Service::ALL
                .map(|service| ServiceFacts { name: service.name(), peak_memory: None, ready_ms: None })
                .into(),
            targets: Vec::new(),
        };
        Ok(Self { effort, progress: Progress::new(scenarios), server, binaries, results })
    }

    /// Notes what the services of a wallet needed.
    pub fn note_services(&mut self, peaks: [Option<u64>; 4], ready: Option<[Duration; 4]>) {
        for (index, facts) in self.results.services.iter_mut().enumerate() {
            facts.peak_memory = facts.peak_memory.max(peaks[index]);
            if let Some(times) = ready {
                facts.ready_ms = u64::try_from(times[index].as_millis()).ok();
            }
        }
    }
}
