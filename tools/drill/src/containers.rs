//! The wallet in containers: a project of its own in a folder of its own, taken down when it is dropped.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use lab::{clients::tour_programs, ports::free_port, workspace_root};
use tempfile::TempDir;

use super::page;

/// What of the checkout is needed on a machine that has the images.
const FILES: [&str; 5] = ["docker-compose.yml", "docker-compose.prod.yml", "init-db.sql", ".env.example", "deploy"];
/// The ports of this machine that the Compose file names, and a free one for each.
const PORTS: [&str; 8] = [
    "USER_SERVICE_HOST_PORT",
    "TRANSACTION_SERVICE_HOST_PORT",
    "NOTIFICATION_SERVICE_HOST_PORT",
    "REPORT_SERVICE_HOST_PORT",
    "MYSQL_HOST_PORT",
    "MAILPIT_HOST_PORT",
    "MAILPIT_SMTP_HOST_PORT",
    "GATEWAY_HOST_PORT",
];

/// Which of the two set-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// That of README's first command.
    Development,
    /// That of docs/operations.md.
    Production,
}

/// A running project.
pub struct Project {
    folder: TempDir,
    name: String,
    ports: Vec<u16>,
}

/// True if an engine answers.
pub fn has_engine() -> bool {
    let info =
        Command::new("docker").arg("info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    info.is_ok_and(|status| status.success())
}

/// Builds the images of the checkout.
pub fn build() -> Result<()> {
    let status = Command::new("docker")
        .args(["compose", "--file", "docker-compose.yml", "--env-file", "/dev/null", "build", "--quiet"])
        .current_dir(workspace_root())
        .stdin(Stdio::null())
        .status()
        .context("docker cannot be started")?;
    ensure!(status.success(), "the images could not be built; see above");
    Ok(())
}

impl Project {
    /// A project that is not started yet, with its `.env`.
    pub fn new(kind: Kind, database: Option<&str>) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for temporary files: set TMPDIR")?;
        for name in FILES {
            copy(&workspace_root().join(name), &folder.path().join(name))?;
        }
        let name = format!("wallet-drill-{}", if kind == Kind::Production { "production" } else { "development" });
        let project = Self { folder, name, ports: PORTS.map(|_| free_port()).into() };
        if kind == Kind::Production {
            project.shell("deploy/wallet new-env")?;
            project.make_certificate("first")?;
            project.shell("mv tls/first-certificate.pem tls/certificate.pem && mv tls/first-key.pem tls/key.pem")?;
            project.set("SMTP_SERVER", "mailpit")?;
            project.set("SENDER_EMAIL", "noreply@wallet.example")?;
            project.set("GATEWAY_CERTIFICATES", &project.folder.path().join("tls").display().to_string())?;
            project.set("GATEWAY_CERTIFICATE_FILE", "certificate.pem")?;
            project.set("GATEWAY_KEY_FILE", "key.pem")?;
            project.set("GATEWAY_HOST_PORT", &project.port("GATEWAY_HOST_PORT").to_string())?;
            project.set("GATEWAY_REDIRECT_HOST_PORT", &free_port().to_string())?;
        } else {
            fs::write(project.folder.path().join(".env"), "")?;
            for (name, port) in PORTS.iter().zip(&project.ports) {
                project.set(name, &port.to_string())?;
            }
        }
        if let Some(image) = database {
            project.set("MYSQL_IMAGE", image)?;
            if image.starts_with("mariadb:10") {
                project.set("DB_TLS", "preferred")?; // it offers none by itself
            }
        }
        Ok(project)
    }

    /// The port of this machine that a variable of the Compose file stands for.
    pub fn port(&self, variable: &str) -> u16 {
        PORTS
            .iter()
            .zip(&self.ports)
            .find(|(name, _)| **name == variable)
            .map(|(_, port)| *port)
            .expect("it is one of PORTS")
    }

    /// The value of a variable in `.env`.
    pub fn setting(&self, name: &str) -> Result<String> {
        let text = fs::read_to_string(self.folder.path().join(".env"))?;
        let value = text.lines().filter_map(|line| line.strip_prefix(&format!("{name}="))).next_back();
        Ok(value.unwrap_or_default().to_owned())
    }

    /// Sets a variable in `.env`.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        let path = self.folder.path().join(".env");
        let text = fs::read_to_string(&path)?;
        let others = text.lines().filter(|line| !line.starts_with(&format!("{name}=")));
        let lines: Vec<String> = others.map(str::to_owned).chain([format!("{name}={value}")]).collect();
        fs::write(path, lines.join("\n") + "\n").context(".env cannot be written")
    }

    /// A secret as SECURITY.md has them made.
    pub fn new_secret(&self) -> Result<String> {
        Ok(self.output("openssl rand -hex 32")?.trim().to_owned())
    }

    /// Runs commands as a person would type them in the project's folder.
    pub fn shell(&self, commands: &str) -> Result<()> {
        self.output(commands).map(drop)
    }

    /// The same, and returns what they say.
    pub fn output(&self, commands: &str) -> Result<String> {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", commands])
            .current_dir(self.folder.path())
            .env_clear()
            .envs(["PATH", "HOME", "DOCKER_HOST", "TMPDIR"].iter().filter_map(|name| Some((name, env::var_os(name)?))))
            .env("COMPOSE_PROJECT_NAME", &self.name)
            .stdin(Stdio::null())
            .output()
            .context("bash cannot be started")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "`{}` failed:\n{said}{}",
            commands.lines().next().unwrap_or_default(),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(said)
    }

    /// What the database answers to its root.
    pub fn sql(&self, statement: &str) -> Result<String> {
        let password = self.setting("MYSQL_ROOT_PASSWORD")?;
        self.output(&format!(
            "docker compose exec -T mysql-db sh -c 'MYSQL_PWD={password} \
             $(command -v mariadb || command -v mysql) -uroot -N -e \"$1\"' - \"{statement}\""
        ))
    }

    /// Gives the images of the services another version, too.
    pub fn tag_images(&self, version: &str) -> Result<()> {
        let images = self.output("docker compose config --images | grep '^digital-wallet/'")?;
        images.lines().try_for_each(|image| {
            let name = image.split(':').next().unwrap_or_default();
            self.shell(&format!("docker tag {image} {name}:{version}"))
        })
    }

    /// True if the database's image has the program.
    pub fn has_in_database(&self, program: &str) -> bool {
        self.shell(&format!("docker compose exec -T mysql-db sh -c 'command -v {program}'")).is_ok()
    }

    /// Kills one instance of a service, as the system does when memory runs out.
    pub fn kill_one(&self, service: &str) -> Result<()> {
        // not `docker kill`, which counts as a request: this one Docker starts again
        self.shell(&format!(
            "kill -KILL $(docker inspect --format '{{{{.State.Pid}}}}' $(docker compose ps -q {service} | head -1))"
        ))
    }

    /// Stops one instance of a service for a while, without a word to anybody.
    pub fn freeze_one(&self, service: &str, time: Duration) -> Result<()> {
        let seconds = time.as_secs();
        self.shell(&format!(
            "one=$(docker compose ps -q {service} | head -1); docker pause $one; sleep {seconds}; docker unpause $one"
        ))
    }

    /// Puts another certificate in the place of the gateway's, by rename, and waits until the gateway shows it.
    pub fn renew_certificate(&self) -> Result<()> {
        let shown = "openssl s_client -connect localhost:$(sed -n 's/^GATEWAY_HOST_PORT=//p' .env) </dev/null 2>/dev/null \
                     | openssl x509 -noout -fingerprint";
        let before = self.output(shown)?;
        self.make_certificate("renewed")?;
        self.shell("mv tls/renewed-key.pem tls/key.pem && mv tls/renewed-certificate.pem tls/certificate.pem")?;
        for _ in 0..30 {
            if self.output(shown)? != before {
                return Ok(());
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        bail!("the gateway still shows the certificate that was replaced")
    }

    /// Follows README's tour against the published ports.
    pub fn take_tour(&self) -> Result<()> {
        tour_programs(&|_| {})?;
        let mut tour = page::section("README.md", "The tour")?.replace("ls -t .wallet/mail", "true");
        for (number, variable) in (5001..).zip(&PORTS[..4]) {
            tour = tour.replace(&format!("localhost:{number}"), &format!("localhost:{}", self.port(variable)));
        }
        let tour: Vec<String> = tour
            .lines()
            .map(|line| if line.starts_with("curl") { format!("{line}; echo") } else { line.to_owned() })
            .collect();
        let said = self.output(&tour.join("\n"))?;
        ensure!(!said.contains("\"error\""), "the tour ends in an error:\n{said}");
        for part in ["\"balance\":90000", "\"status\":\"completed\"", "\"total_spent\":10000", "\"ok\":true"] {
            ensure!(said.contains(part), "the tour does not show {part}:\n{said}");
        }
        Ok(())
    }

    fn make_certificate(&self, name: &str) -> Result<()> {
        self.shell(&format!(
            "mkdir -p -m 755 tls && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
             -subj /CN=localhost -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost \
             -out tls/{name}-certificate.pem -keyout tls/{name}-key.pem 2>/dev/null && chmod 644 tls/*",
        ))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let logs = workspace_root().join("target").join(format!("{}.log", self.name));
        if let Ok(text) = self.output("docker compose logs --no-color --tail 400 2>&1") {
            fs::write(&logs, text).ok();
        }
        if let Err(error) = self.shell("docker compose --profile '*' down --volumes --remove-orphans --timeout 5") {
            eprintln!("{} could not be taken down: {error:#}", self.name);
        }
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        fs::copy(from, to).with_context(|| format!("{} cannot be copied", from.display()))?;
    }
    Ok(())
}
