//! Everything that a run found, as it goes into the JSON file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use lab::workspace_root;
use serde::Serialize;

use super::{batches::Batches, machine::Machine, measure::Measured, server::ServerFacts, verdict::Verdict};

/// The results of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// When it began, in UTC.
    pub began: String,
    /// "quick" or "full".
    pub effort: &'static str,
    /// Which code was measured.
    pub commit: String,
    /// On what.
    pub machine: Machine,
    /// With which database.
    pub server: ServerFacts,
    /// Every load.
    pub loads: Vec<Measured>,
    /// The batches that the floor took over from the services, round by round.
    pub floor_batches: Vec<Batches>,
    /// How the outboxes drained.
    pub drain: Option<Drain>,
    /// How long a full synchronization took.
    pub sync: Option<SyncAll>,
    /// How fast report-service takes entries over.
    pub taken_over: Option<TakenOver>,
    /// What long statements cost.
    pub long_statements: Vec<LongStatement>,
    /// How long it took until schedules that were due at once had paid.
    pub schedules: Vec<Schedules>,
    /// What the services needed.
    pub services: Vec<ServiceFacts>,
    /// What was to be reached.
    pub targets: Vec<Verdict>,
}

/// Facts on their way from the outboxes into notifications, with nothing else running.
#[derive(Debug, Clone, Serialize)]
pub struct Drain {
    /// How many became notifications.
    pub notifications: u64,
    /// In which time.
    pub seconds: f64,
    /// How many were left when the time was over; 0 in a long run.
    pub left: u64,
}

/// A statement of many entries.
#[derive(Debug, Clone, Serialize)]
pub struct LongStatement {
    /// How many.
    pub entries: u64,
    /// In which form.
    pub format: &'static str,
    /// How long it is.
    pub bytes: u64,
    /// How long its reader waits for the first byte, in milliseconds.
    pub first_byte_ms: f64,
    /// How long it takes.
    pub seconds: f64,
    /// The most memory that report-service had resident beyond what it had idle, in bytes.
    pub memory: u64,
}

/// A full synchronization of report-service.
#[derive(Debug, Clone, Serialize)]
pub struct SyncAll {
    /// How many transactions were taken over.
    pub transactions: u64,
    /// In which time.
    pub seconds: f64,
    /// The most memory that report-service had resident, in bytes.
    pub peak_memory: Option<u64>,
}

/// Entries that report-service has taken over, with nothing else running.
#[derive(Debug, Clone, Serialize)]
pub struct TakenOver {
    /// How many.
    pub entries: u64,
    /// In which time.
    pub seconds: f64,
}

/// Schedules that were due at once.
#[derive(Debug, Clone, Serialize)]
pub struct Schedules {
    /// How many.
    pub schedules: u64,
    /// The service that was killed when a third had paid, if one was.
    pub killed: Option<&'static str>,
    /// How long it took until all had paid.
    pub seconds: f64,
}

/// What a service needed.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceFacts {
    /// Its name.
    pub name: &'static str,
    /// The most memory that it had resident, in bytes, over all scenarios.
    pub peak_memory: Option<u64>,
    /// How long it took to be ready, in milliseconds; asked every 50 ms. None if no scenario moved money.
    pub ready_ms: Option<u64>,
}

impl Results {
    /// The figures of a load, if it was run.
    pub fn load(&self, name: &str) -> Option<&Measured> {
        self.loads.iter().find(|load| load.name == name)
    }

    /// Writes the JSON file and returns where it is.
    pub fn save(&self, file: Option<&Path>) -> Result<PathBuf> {
        let file = file.map_or_else(
            || {
                let name = format!("{}-{}.json", self.server.product.to_lowercase(), self.effort);
                workspace_root().join("target/bench").join(name)
            },
            Path::to_owned,
        );
        let write = || -> Result<()> {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut text = serde_json::to_string_pretty(self)?;
            text.push('\n');
            Ok(fs::write(&file, text)?)
        };
        write().with_context(|| format!("cannot write {}: choose another place with --json", file.display()))?;
        Ok(file)
    }
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::measure::{measured, tests::outcome};

    /// Results with these loads: name, connections, turns in a second.
    pub fn results(loads: &[(&str, usize, u64)]) -> Results {
        let load = |(name, connections, counted): &(&str, usize, u64)| {
            measured((*name).to_owned(), "transfers", *connections, &[outcome(*counted)], None)
        };
        Results {
            began: "2026-01-01T00:00:00Z".to_owned(),
            effort: "quick",
            commit: "abc".to_owned(),
            machine: Machine::find(Path::new("/")),
            server: ServerFacts {
                away_ms: None,
                product: "MariaDB",
                version: "10.11.14".to_owned(),
                settings: BTreeMap::new(),
                durable: true,
            },
            loads: loads.iter().map(load).collect(),
            floor_batches: Vec::new(),
            drain: None,
            sync: None,
            taken_over: None,
            long_statements: Vec::new(),
            schedules: Vec::new(),
            services: Vec::new(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn the_file_holds_the_figures() {
        let folder = tempfile::tempdir().unwrap();
        let file = results(&[("transfers-16", 16, 5000)]).save(Some(&folder.path().join("a/b.json"))).unwrap();
        let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(json["loads"][0]["name"], "transfers-16");
        assert_eq!(json["loads"][0]["per_second"]["median"], 5000.0);
        assert_eq!(json["server"]["product"], "MariaDB");
    }
}
