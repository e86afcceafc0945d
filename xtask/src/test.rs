//! `test`: every check and test there is, on a database that it brings along.

use std::{
    env, fs,
    io::{IsTerminal, stdout},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use common::http::{api::DOCUMENT_PATH, client::http_client};
use harness::{
    binaries::{self, Build},
    database::{self, Admin},
    node, python,
    server::{Purpose, Server},
    wallet::{Service, Wallet, WalletOptions},
    workspace_root,
};
use tempfile::TempDir;

use crate::{
    client::Client,
    deployment, kubernetes,
    state::Endpoints,
    supply, tidy,
    ui::{self, Step},
    upgrade, verify,
};

const COLLECTION: &str = "digital-wallet-collection.json";
/// It has to pass on data that it made itself.
const COLLECTION_RUNS: u32 = 2;
/// Requests of it that somebody may send first of all.
const FIRST_REQUESTS: [&str; 4] = ["Login User", "Get Balance", "Top Up Balance", "Create Notification"];
/// The rules of Spectral for OpenAPI.
const SPECTRAL_RULES: &str = r#"extends: ["spectral:oas"]"#;

/// Requests that each route gets at random, beside those that try its limits one by one.
const EXAMPLES: &str = "30";
/// The choices of the short torture, and of those requests.
const SEED: &str = "1";

#[derive(Args)]
pub struct Arguments {
    /// For the inner loop: format, rules, lints and the tests of each crate, without those of the whole wallet
    #[arg(long, conflicts_with_all = ["rust_only", "no_lint"])]
    quick: bool,
    /// Only the Rust tests: no lints, nothing from outside
    #[arg(long)]
    rust_only: bool,
    /// Without format, lint, tidy and dependency checks
    #[arg(long)]
    no_lint: bool,
}

/// Runs all steps, and goes on after one that fails. The Rust tests come last, so that their summaries end the output.
pub async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (admin, _server) = server().await?;
    let mut failed = Vec::new();
    let mut note = |step: &'static str, outcome: Result<()>| {
        if let Err(error) = outcome {
            ui::error(&format!("{step}: {}", ui::with_causes(&error)));
            failed.push(step);
        }
    };
    if !arguments.rust_only && !arguments.no_lint {
        ui::heading("Format, rules and lints");
        note("format", cargo(&["fmt", "--all", "--check"], &admin));
        note("tidy", tidy::check());
        let clippy = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        note("clippy", cargo(&clippy, &admin));
    }
    if arguments.quick {
        ui::heading("The tests of each crate");
        let tests = ["test", "--workspace", "--exclude", "e2e", "--lib", "--bins", "--tests", "--no-fail-fast"];
        note("cargo test", cargo(&tests, &admin));
        return Ok(verdict(&failed));
    }
    if !arguments.rust_only && !arguments.no_lint {
        ui::heading("Dependencies");
        note("dependencies", supply::check());
        ui::heading("Containers");
        note("deployment", deployment::check());
        ui::heading("Kubernetes");
        note("kubernetes", kubernetes::check());
    }
    if !arguments.rust_only {
        ui::heading("The services from outside");
        note("from outside", from_outside(&admin).await);
    }
    ui::heading("A new version beside the one before");
    note("upgrade", upgrade::check(None, &admin).await);
    ui::heading("Torture, in its short form");
    note("torture", torture(&admin, arguments.rust_only));
    ui::heading("The Rust tests");
    let tests = ["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"];
    note("cargo test", cargo(&tests, &admin));
    Ok(verdict(&failed))
}

fn verdict(failed: &[&str]) -> ExitCode {
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    ui::error(&format!("failed: {}", failed.join(", ")));
    ExitCode::FAILURE
}

/// The server in `TEST_DATABASE_URL`, or one that lasts as long as what is returned beside it.
pub async fn server() -> Result<(Admin, Option<(Server, TempDir)>)> {
    if let Some(admin) = Admin::from_environment()? {
        admin.connect().await.context("the server in TEST_DATABASE_URL cannot be used")?;
        return Ok((admin, None));
    }
    let step = Step::start("Starting a database server for the tests");
    let (server, folder) = database::temporary_server(Purpose::Test, &|text| step.note(text)).await?;
    step.done(&format!("{} runs on port {}", server.product(), server.port()));
    Ok((server.admin(), Some((server, folder))))
}

/// The crashes, and on a durable server of its own the bank run.
fn torture(admin: &Admin, only_on_this_server: bool) -> Result<()> {
    let mut torture = vec!["run", "--quiet", "--package", "e2e", "--bin", "torture", "--", "--short", "--seed", SEED];
    if only_on_this_server {
        torture.extend(["--only", "crashes"]);
    }
    cargo(&torture, admin)
}

fn cargo(arguments: &[&str], admin: &Admin) -> Result<()> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(arguments)
        .env("TEST_DATABASE_URL", admin.url())
        .current_dir(workspace_root())
        .status()
        .context("cargo cannot be started: is Rust's toolchain in the PATH?")?;
    ensure!(status.success(), "`cargo {}` failed; see above", arguments.join(" "));
    Ok(())
}

/// A whole system of its own, the collection twice, all that the services promise of themselves, and the ledger's proof.
async fn from_outside(admin: &Admin) -> Result<()> {
    let root = workspace_root();
    let collection = root.join(COLLECTION);
    ensure!(collection.exists(), "there is no {COLLECTION}: check it out again");
    let step = Step::start("Preparing newman and schemathesis");
    let tools = node::node_tools(&|text| step.note(text))?;
    let schemathesis = python::python_tools(&|text| step.note(text))?.join("schemathesis");
    step.done("newman and schemathesis are installed");
    let binaries = binaries::build_services(Build::WithTests)?;

    let step = Step::start("Starting a system for them");
    let schemas = [admin.schema().await?, admin.schema().await?, admin.schema().await?, admin.schema().await?];
    let folder = tempfile::tempdir().context("cannot make a folder for temporary files: set TMPDIR")?;
    let databases = [0, 1, 2, 3].map(|n: usize| schemas[n].config.clone());
    let mut options = WalletOptions::for_test(&binaries, databases, folder.path());
    options.logs = root.join("target/service-logs");
    let mut wallet = Wallet::start(options).await?;
    step.done("The system is ready");

    let outcome = async {
        lint_documents(&tools, &wallet, folder.path()).await?;
        run_collection(&collection, &tools, &wallet)?;
        run_schemathesis(&schemathesis, &wallet)?;
        prove_ledger(&wallet).await
    };
    let outcome = outcome.await;
    wallet.stop().await;
    outcome.inspect_err(|_| eprintln!("The logs of the services are in target/service-logs."))
}

/// What each service says of itself passes the recommended rules of two linters, without a warning.
async fn lint_documents(tools: &Path, wallet: &Wallet, folder: &Path) -> Result<()> {
    let mut documents = Vec::new();
    for service in Service::ALL {
        let url = format!("{}{DOCUMENT_PATH}", wallet.url(service));
        let document = http_client().get(url).send().await?.text().await?;
        let path = folder.join(format!("{}.json", service.name()));
        fs::write(&path, document).with_context(|| format!("cannot write {}", path.display()))?;
        documents.push(path);
    }
    let rules = folder.join("spectral.yaml");
    fs::write(&rules, SPECTRAL_RULES).context("cannot write the rules for Spectral")?;
    let redocly = ["lint", "--extends=recommended", "--max-problems=20"];
    let spectral = ["lint", "--fail-severity=warn", "--ruleset", &rules.to_string_lossy()].map(str::to_owned);
    let linters = [("redocly", redocly.map(str::to_owned).to_vec()), ("spectral", spectral.to_vec())];
    for (linter, arguments) in linters {
        eprintln!("- {linter} and the documents");
        let mut lint = Command::new(node::node_program()?);
        lint.arg(tools.join("node_modules/.bin").join(linter)).args(arguments).args(&documents);
        lint.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true").current_dir(folder);
        let output = lint.stdin(Stdio::null()).output().with_context(|| format!("{linter} cannot be started"))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let is_clean = output.status.success() && !said.contains("warning");
        ensure!(is_clean, "{linter} finds fault with a document:\n{said}");
    }
    Ok(())
}

/// The whole collection, again and again, and requests of it that are sent before all others.
fn run_collection(collection: &Path, tools: &Path, wallet: &Wallet) -> Result<()> {
    for request in FIRST_REQUESTS {
        eprintln!("- {request}, before anything else");
        newman(collection, tools, wallet, &["--folder", request, "--reporter-cli-silent"])?;
    }
    for run in 1..=COLLECTION_RUNS {
        eprintln!("- Run {run} of {COLLECTION_RUNS}");
        newman(collection, tools, wallet, &[])?;
    }
    Ok(())
}

fn newman(collection: &Path, tools: &Path, wallet: &Wallet, arguments: &[&str]) -> Result<()> {
    let variables = ["base_url_user", "base_url_transaction", "base_url_notification", "base_url_report"];
    let mut newman = Command::new(node::node_program()?);
    newman.arg(tools.join("node_modules/newman/bin/newman.js")).arg("run").arg(collection);
    for (service, variable) in Service::ALL.into_iter().zip(variables) {
        newman.args(["--env-var", &format!("{variable}={}", wallet.url(service))]);
    }
    newman.args(["--env-var", &format!("service_token={}", wallet.service_token())]);
    newman.args(["--timeout-request", "15000"]).args(arguments);
    if !stdout().is_terminal() || env::var_os("NO_COLOR").is_some() {
        newman.args(["--color", "off", "--disable-unicode"]);
    }
    let status = newman.stdin(Stdio::null()).status().context("newman cannot be started")?;
    ensure!(status.success(), "newman reports failures; see above");
    Ok(())
}

/// Sends each service what its document allows and what it forbids: no 5xx, no status, header or body that the document
/// does not have, and nothing that it forbids is accepted.
fn run_schemathesis(schemathesis: &Path, wallet: &Wallet) -> Result<()> {
    for service in Service::ALL {
        eprintln!("- {} and its document", service.name());
        let status = Command::new(schemathesis)
            .arg("run")
            .arg(format!("{}{DOCUMENT_PATH}", wallet.url(service)))
            .args(["--header", &format!("X-Service-Token: {}", wallet.service_token())])
            // what is well-formed may still be refused, for want of money or of the thing that it names; who may call what
            // has a table of its own
            .args([
                "--exclude-checks",
                "positive_data_acceptance,use_after_free,ensure_resource_availability,ignored_auth",
            ])
            .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", SEED])
            .args(["--no-color", "--suppress-health-check", "all", "--warnings", "off", "--output-sanitize", "false"])
            .current_dir(workspace_root().join("target"))
            .stdin(Stdio::null())
            .status()
            .context("schemathesis cannot be started")?;
        ensure!(status.success(), "{} does not keep to its document; see above", service.name());
    }
    Ok(())
}

async fn prove_ledger(wallet: &Wallet) -> Result<()> {
    let client = Client::new(Endpoints::of(wallet));
    if !verify::report(&client.verify().await.context("the ledger could not be checked")?) {
        bail!("the ledger is broken");
    }
    Ok(())
}
