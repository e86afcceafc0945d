//! Logs: JSON lines in production, readable ones in development, on standard output. `RUST_LOG` chooses what is shown.
//! Beside them the traces and the metrics of the process: see [`crate::trace`] and [`crate::monitoring`].

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::{
    client::blocking_http_client,
    config::{Mode, ServiceConfig},
    monitoring, trace,
};

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT_FILTER: &str = "info,sqlx=warn";

/// Starts the logs of the process and, if there is a collector, the traces of the service. A second call changes nothing.
pub fn init(config: &ServiceConfig) -> anyhow::Result<()> {
    monitoring::record(); // before anything gets a handle of a metric
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let started = match config.mode {
        Mode::Production => logs.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
        Mode::Development => logs.with_ansi(std::io::stdout().is_terminal()).try_init(),
    };
    started.ok(); // tests start several services in one process
    config
        .otlp_endpoint
        .as_ref()
        .map_or(Ok(()), |endpoint| trace::export(config.name, endpoint, blocking_http_client()))
}
