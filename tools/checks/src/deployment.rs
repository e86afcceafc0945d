//! What runs the wallet in containers, as far as that can be checked without any: the Dockerfile, the scripts, the Compose
//! files and what Prometheus is told.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use lab::{prometheus, python, wallet::Service, workspace_root};
use serde_json::Value;

use lab::ui::Step;

use crate::{supply, tidy::is_listed};

/// Of the variables in `.env.example`, those that Compose sets itself or reads under another name, or that mean nothing in a
/// container.
const NOT_PASSED: [&str; 6] = ["FLASK_ENV", "HOST", "PORT", "DB_PORT", "DB_NAME", "MAIL_DIR"];
/// The port of user-service; the others' follow in the order of [`Service::ALL`].
const FIRST_PORT: usize = 5001;
/// A port that no service has.
const FREE_PORT: u16 = 20_000;
/// What to do about each alert.
const OPERATIONS: &str = "docs/operations.md";
/// The Compose files for development.
const DEVELOPMENT: &[&str] = &["docker-compose.yml"];
/// Those for production.
const PRODUCTION: &[&str] = &["docker-compose.yml", "docker-compose.prod.yml"];

/// Fails with a list of what is wrong.
pub fn check() -> Result<()> {
    let step = Step::start("Preparing hadolint, ShellCheck, Compose and promtool");
    let tools = python::python_tools(&|text| step.note(text))?;
    let promtool = prometheus::promtool(&|text| step.note(text))?;
    step.done("hadolint, ShellCheck, Compose and promtool are installed");
    let deploy = workspace_root().join("deploy");
    supply::run(Command::new(tools.join("hadolint")).arg("Dockerfile"))?;
    supply::run(Command::new(tools.join("shellcheck")).args(scripts(&deploy)?))?;
    let observability = deploy.join("observability");
    // only the syntax: the file with the token is made where Prometheus runs
    supply::run(
        Command::new(&promtool).args(["check", "config", "--syntax-only"]).arg(observability.join("prometheus.yml")),
    )?;
    supply::run(Command::new(&promtool).args(["check", "rules"]).arg(observability.join("alerts.yml")))?;
    supply::run(Command::new(&promtool).args(["test", "rules"]).arg(observability.join("alerts.test.yml")))?;
    let alerts = fs::read_to_string(observability.join("alerts.yml"))?;
    let page = fs::read_to_string(workspace_root().join(OPERATIONS)).context(OPERATIONS)?;
    let unexplained = unexplained(&alerts, &page);
    ensure!(unexplained.is_empty(), "alerts.yml: {OPERATIONS} does not say what to do: {}", unexplained.join(", "));
    let compose = Compose { program: tools.join("docker-compose") };
    let mut problems = compose.in_development()?;
    problems.extend(compose.in_production()?);
    ensure!(
        problems.is_empty(),
        "{} thing(s) wrong with the Compose files:\n  {}",
        problems.len(),
        problems.join("\n  ")
    );
    Ok(())
}

/// Alerts that do not refer to a heading of their own on the page.
fn unexplained<'a>(alerts: &'a str, page: &str) -> Vec<&'a str> {
    let headings: Vec<String> = page.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    let is_explained = |name: &str| {
        let words: String = name.chars().flat_map(|c| [c.is_uppercase().then_some('-'), Some(c)]).flatten().collect();
        let wanted = format!("alert{}", words.to_lowercase());
        alerts.lines().any(|line| line.trim() == format!("runbook: {OPERATIONS}#{wanted}"))
            && headings.contains(&wanted)
    };
    let names = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.filter(|name| !is_explained(name)).collect()
}

/// By what a heading of a page can be linked to.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The shell scripts below a folder.
fn scripts(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(scripts(&path)?);
        } else if fs::read(&path)?.starts_with(b"#!") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Compose itself, which reads and merges the files without an engine.
struct Compose {
    program: PathBuf,
}

/// A variable of a Compose file.
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Variable {
    required: bool,
}

impl Compose {
    /// What is wrong on a clean checkout, where nothing is set.
    fn in_development(&self) -> Result<Vec<String>> {
        let project = self.config(DEVELOPMENT, &[])?;
        let mut problems = unpinned(&project);
        for service in Service::ALL {
            let port = (FIRST_PORT + service as usize).to_string();
            if !published(&project["services"][service.name()]).any(|p| p == ("127.0.0.1".to_owned(), port.clone())) {
                problems.push(format!("{} is not at port {port}", service.name()));
            }
        }
        for (name, service) in services(&project) {
            let open = published(service).filter(|(address, _)| address != "127.0.0.1");
            problems.extend(open.map(|(_, port)| format!("{name}: port {port} is open to other machines")));
        }
        let example = fs::read_to_string(workspace_root().join(".env.example"))?;
        let variables = self.variables(PRODUCTION)?;
        let unlisted = variables.keys().filter(|name| !is_listed(&example, name));
        problems.extend(unlisted.map(|name| format!("{name} is not in .env.example")));
        let own = example.split("Docker Compose ---").next().unwrap_or_default();
        let reaches = |name: &str| services(&project).any(|(_, service)| !service["environment"][name].is_null());
        let lost = variables_of(own).filter(|name| !NOT_PASSED.contains(name) && !variables.contains_key(*name));
        problems.extend(lost.filter(|name| !reaches(name)).map(|name| format!("{name} reaches no container")));
        problems.extend(self.fixed_ports(&project)?);
        Ok(problems)
    }

    /// Ports of this machine that no variable moves, though another program may use them.
    fn fixed_ports(&self, project: &Value) -> Result<Vec<String>> {
        let variables = self.variables(DEVELOPMENT)?;
        let names: Vec<&String> = variables.keys().filter(|name| name.ends_with("_HOST_PORT")).collect();
        let moved: Vec<String> = (FREE_PORT..).take(names.len()).map(|port| port.to_string()).collect();
        let set: Vec<(&str, &str)> =
            names.iter().zip(&moved).map(|(name, port)| (name.as_str(), port.as_str())).collect();
        let elsewhere = self.merged(DEVELOPMENT, &set)?;
        let ports = |project: &Value| -> Vec<String> {
            services(project).flat_map(|(_, service)| published(service)).map(|(_, port)| port).collect()
        };
        let (before, after) = (ports(project), ports(&elsewhere));
        Ok(before
            .into_iter()
            .filter(|port| after.contains(port))
            .map(|port| format!("port {port} cannot be moved"))
            .collect())
    }

    /// What is wrong in production, where every secret is set and nothing else is.
    fn in_production(&self) -> Result<Vec<String>> {
        let variables = self.variables(PRODUCTION)?;
        let required: Vec<&str> = variables.iter().filter(|(_, v)| v.required).map(|(name, _)| name.as_str()).collect();
        let project = self.config(PRODUCTION, &required)?;
        let mut problems = unpinned(&project);
        for secret in ["SERVICE_TOKEN", "JWT_SECRET", "METRICS_TOKEN", "MYSQL_ROOT_PASSWORD"] {
            if !required.contains(&secret) {
                problems.push(format!("production starts without {secret}"));
            }
        }
        for (name, service) in services(&project).filter(|(_, service)| !is_for_development(service)) {
            problems.extend(softness(service).map(|what| format!("{name} in production: {what}")));
            let is_ours = Service::ALL.iter().any(|service| service.name() == name);
            let may_be = |address: &str| name == "gateway" || address == "127.0.0.1" && !is_ours;
            let open = published(service).filter(|(address, _)| !may_be(address));
            problems.extend(open.map(|(_, port)| format!("{name} in production: port {port} is open")));
        }
        for service in Service::ALL {
            let described = &project["services"][service.name()];
            let password = format!("{}_DB_PASSWORD", service.account().to_uppercase());
            let is = |name: &str, value: &str| described["environment"][name] == value;
            if !is("APP_ENV", "production") || !is("DB_USER", service.account()) || !is("DB_PASSWORD", &password) {
                problems.push(format!("{} in production: not its own account, or not APP_ENV", service.name()));
            }
        }
        let database = &project["services"]["mysql-db"];
        let networks =
            database["networks"].as_object().map(|names| names.keys().map(String::as_str).collect::<Vec<_>>());
        if !database["ports"].is_null() || networks != Some(vec!["database"]) {
            problems.push("the database can be reached in production".to_owned());
        }
        Ok(problems)
    }

    /// The merged files, with all profiles, when of all variables only `set` have a value: their own name.
    fn config(&self, files: &[&str], set: &[&str]) -> Result<Value> {
        let variables: Vec<(&str, &str)> = set.iter().map(|name| (*name, *name)).collect();
        self.merged(files, &variables)
    }

    /// The merged files, with all profiles, when of all variables only these have a value.
    fn merged(&self, files: &[&str], variables: &[(&str, &str)]) -> Result<Value> {
        let answer = self.answer(files, variables, &["--profile", "*", "config", "--format", "json"])?;
        serde_json::from_str(&answer).context("Compose does not speak JSON")
    }

    fn variables(&self, files: &[&str]) -> Result<BTreeMap<String, Variable>> {
        let answer = self.answer(files, &[], &["config", "--variables", "--format", "json"])?;
        serde_json::from_str(&answer).context("Compose does not speak JSON")
    }

    /// Runs it without the variables of this process and of a `.env`.
    fn answer(&self, files: &[&str], variables: &[(&str, &str)], arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(variables.iter().copied()).envs(env::var_os("HOME").map(|home| ("HOME", home)));
        command.args(["--env-file", "/dev/null"]).args(files.iter().flat_map(|file| ["-f", file])).args(arguments);
        let output = command.current_dir(workspace_root()).stdin(Stdio::null()).output();
        let output = output.context("docker-compose cannot be started")?;
        if !output.status.success() {
            bail!("Compose does not take {}:\n{}", files.join(" and "), String::from_utf8_lossy(&output.stderr));
        }
        String::from_utf8(output.stdout).context("Compose does not speak UTF-8")
    }
}

fn services(project: &Value) -> impl Iterator<Item = (&str, &Value)> {
    project["services"].as_object().into_iter().flatten().map(|(name, service)| (name.as_str(), service))
}

/// Address and port of what is published; no address means any.
fn published(service: &Value) -> impl Iterator<Item = (String, String)> {
    let ports = service["ports"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ports.map(move |port| (text(&port["host_ip"]), text(&port["published"])))
}

fn is_for_development(service: &Value) -> bool {
    service["profiles"].as_array().is_some_and(|profiles| profiles.iter().any(|profile| profile == "development"))
}

/// Images of which somebody else decides what they are.
fn unpinned(project: &Value) -> Vec<String> {
    let images = services(project).filter_map(|(_, service)| service["image"].as_str());
    let is_pinned = |image: &str| {
        let tag = image.rsplit('/').next().and_then(|name| name.split_once(':')).map_or("", |(_, tag)| tag);
        tag.trim_start_matches('v').split('.').filter(|part| part.starts_with(|c: char| c.is_ascii_digit())).count()
            >= 3
    };
    images.filter(|image| !is_pinned(image)).map(|image| format!("{image} is no exact version")).collect()
}

/// What an intruder in a container could make use of.
fn softness(service: &Value) -> impl Iterator<Item = &'static str> {
    let limits = &service["deploy"]["resources"]["limits"];
    let has = |list: &str, item: &str| service[list].as_array().is_some_and(|items| items.iter().any(|i| i == item));
    let rules = [
        (service["read_only"] == true, "its root can be written"),
        (has("cap_drop", "ALL"), "it keeps capabilities"),
        (has("security_opt", "no-new-privileges:true"), "it can gain privileges"),
        (["cpus", "memory", "pids"].iter().all(|name| !limits[name].is_null()), "it has no limits"),
        (!service["logging"]["options"]["max-size"].is_null(), "its logs grow for ever"),
    ];
    rules.into_iter().filter(|(kept, _)| !kept).map(|(_, what)| what)
}

/// The variables that an example lists, commented out or not.
fn variables_of(example: &str) -> impl Iterator<Item = &str> {
    let names = example.lines().filter_map(|line| line.trim_start_matches("# ").split_once('=').map(|(name, _)| name));
    names.filter(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_image_has_an_exact_version() {
        let found = |image: &str| unpinned(&json!({"services": {"x": {"image": image}}})).len();
        assert_eq!([found("mysql:8.4.10"), found("axllent/mailpit:v1.31.1"), found("a:5000/b:1.2.3")], [0, 0, 0]);
        assert_eq!([found("mysql"), found("mysql:8.4"), found("nginx:latest"), found("a:5000/b")], [1, 1, 1, 1]);
    }

    #[test]
    fn a_container_without_any_hardening_is_found() {
        assert_eq!(softness(&json!({})).count(), 5);
        let hardened = json!({
            "read_only": true, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"],
            "deploy": {"resources": {"limits": {"cpus": 1, "memory": "1", "pids": 1}}},
            "logging": {"options": {"max-size": "10m"}}
        });
        assert_eq!(softness(&hardened).collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn each_alert_has_a_heading_of_its_own() {
        let alerts = "- alert: OutboxOld\n  runbook: docs/operations.md#alert-outbox-old\n";
        assert_eq!(unexplained(alerts, "### Alert: `outbox` old\n"), Vec::<&str>::new());
        assert_eq!(unexplained(alerts, "alert-outbox-old"), ["OutboxOld"]);
        assert_eq!(unexplained(&alerts.replace("-old", ""), "### Alert: outbox old"), ["OutboxOld"]);
    }

    #[test]
    fn ports_tell_who_may_reach_them() {
        let service = json!({"ports": [{"host_ip": "127.0.0.1", "published": "1"}, {"published": "2"}]});
        let expected = [("127.0.0.1", "1"), ("", "2")].map(|(address, port)| (address.to_owned(), port.to_owned()));
        assert_eq!(published(&service).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn variables_may_be_commented_out() {
        let example = "APP_ENV=development\n# PORT=1\n# text with a = in it\n";
        assert_eq!(variables_of(example).collect::<Vec<_>>(), ["APP_ENV", "PORT"]);
    }
}
