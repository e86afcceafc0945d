//! The services from outside: their documents, the collection, requests at random, and the ledger's proof at the end.

use std::{
    env, fs,
    io::{IsTerminal, stdout},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use lab::{
    admin::Admin,
    binaries::{self, Build},
    client::{Client, Endpoints},
    http_client::http_client,
    node, python,
    ui::Step,
    verification,
    wallet::{Service, Wallet, WalletOptions},
    workspace_root,
};

/// Where each service serves its document.
const DOCUMENT_PATH: &str = "/openapi.json";
const COLLECTION: &str = "digital-wallet-collection.json";
/// It has to pass on data that it made itself.
const COLLECTION_RUNS: u32 = 2;
/// Requests of it that somebody may send first of all.
const FIRST_REQUESTS: [&str; 4] = ["Login User", "Get Balance", "Top Up Balance", "Create Notification"];
/// The rules of Spectral for OpenAPI.
const SPECTRAL_RULES: &str = r#"extends: ["spectral:oas"]"#;

/// Requests that each route gets at random, beside those that try its limits one by one.
const EXAMPLES: &str = "30";
/// The choices of those requests.
const SEED: &str = "1";

/// A whole system of its own, the collection twice, all that the services promise of themselves, and the ledger's proof.
pub async fn check(admin: &Admin) -> Result<()> {
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
    let databases = [0, 1, 2, 3].map(|n: usize| schemas[n].schema.clone());
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
    // `/transactions/user/{user_id}` is older than what stands below `/transactions/{id}`, and no id is `user`
    let redocly = ["lint", "--extends=recommended", "--max-problems=20", "--skip-rule=no-ambiguous-paths"];
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
    if !verification::print(&client.verify().await.context("the ledger could not be checked")?) {
        bail!("the ledger is broken");
    }
    Ok(())
}
