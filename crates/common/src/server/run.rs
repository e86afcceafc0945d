//! How a service starts and stops.

use std::{
    io,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use axum::{Router, serve::Listener as _};
use tokio::signal::unix::{SignalKind, signal};

use super::{connection::Listener, open_files};
use crate::{
    caller::address::Peer,
    config::{ConfigError, Env, ServiceConfig},
    error::error_chain,
    monitoring, trace,
    worker::Workers,
};

/// How long running requests may take to end after SIGTERM.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Set by `--check`: only the configuration is looked at.
static ONLY_CHECKS: AtomicBool = AtomicBool::new(false);
const CHECK: &str = "check";

/// What every service's `main` does first: answers `--help` and `--version`, reads the environment.
pub fn begin(service: &'static str, about: &'static str) -> Env {
    let check = clap::Arg::new(CHECK).long(CHECK).action(clap::ArgAction::SetTrue);
    let arguments = clap::Command::new(service)
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .arg(check.help("Say what is wrong with the configuration, and end"))
        .after_help("Everything is set by environment variables, or a .env file: .env.example lists them all.")
        .get_matches();
    ONLY_CHECKS.store(arguments.get_flag(CHECK), Ordering::Relaxed);
    fault::begin();
    Env::load()
}

/// The configuration, or what is wrong with it; `None` if that was all that was asked for.
pub fn configured<C>(config: Result<C, ConfigError>) -> anyhow::Result<Option<C>> {
    let config = config?;
    if ONLY_CHECKS.load(Ordering::Relaxed) {
        println!("the configuration is complete");
        return Ok(None);
    }
    Ok(Some(config))
}

/// How every service's `main` ends: with what went wrong, in a line, and the exit code for it.
pub fn exit(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error_chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Serves `app` until SIGTERM or Ctrl-C, lets running requests end, then stops the workers.
pub async fn run(app: Router, config: &ServiceConfig, workers: Workers) -> anyhow::Result<()> {
    let listener = listen(config)?;
    open_files::allow(config);
    monitoring::start(&workers);
    tracing::info!(address = %listener.local_addr()?, "listening");
    let (stopped, stop) = tokio::sync::oneshot::channel::<()>();
    let app = app.into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await.ok();
    });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        ended = &mut server => ended??,
        () = shutdown_signal() => {
            tracing::info!("stopping: no new requests, running ones end");
            stopped.send(()).ok();
            let drained = tokio::time::timeout(DRAIN_TIMEOUT, async {
                let ended = server.await;
                workers.stop().await;
                ended
            });
            match drained.await {
                Ok(ended) => ended??,
                Err(_) => tracing::warn!("requests that were still running have been cut off"),
            }
        }
    }
    trace::finish().await;
    tracing::info!("stopped");
    Ok(())
}

fn listen(config: &ServiceConfig) -> anyhow::Result<Listener> {
    let (hosts, port) = (config.host.addresses(), config.port.get());
    Listener::bind(hosts, port).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "another program uses this port; stop it or set PORT",
            io::ErrorKind::PermissionDenied => "ports below 1024 need more rights; set PORT to a higher one",
            _ => "check HOST and PORT",
        };
        anyhow::anyhow!("cannot listen on port {port} of {}: {advice} ({error})", config.host)
    })
}

async fn shutdown_signal() {
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be watched");
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be watched");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
