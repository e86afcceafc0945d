//! The database server's program: MariaDB or MySQL, where it is, and what each of them wants to be told.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use super::purpose::Purpose;
use crate::{
    Progress,
    packages::{self, Packages},
    system,
};

const PACKAGES: Packages = Packages {
    what: "a database server (MariaDB 10.11 or later, or MySQL 8.0 or later)",
    debian: &["mariadb-server-core", "mariadb-client-core"],
    fedora: "mariadb-server",
    arch: "mariadb",
    homebrew: "mariadb",
};

/// The variable with the path of the program to take instead of the first in the `PATH`.
const PROGRAM_VARIABLE: &str = "DATABASE_SERVER";
/// What the tables of a server with little room may take together, in mebibytes.
const LITTLE_ROOM: u32 = 48;

/// A server program.
#[derive(Debug, Clone)]
pub(super) struct Program {
    path: PathBuf,
    kind: Kind,
    product: String,
}

#[derive(Debug, Clone)]
enum Kind {
    /// With the script that makes its data folder.
    MariaDb(PathBuf),
    MySql,
}

/// Where a server with the folder `dir` keeps its data.
pub(super) fn data_folder(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// Its own: a server that starts deletes the temporary tables in the folder, whosever they are.
pub(super) fn temporary_folder(dir: &Path) -> PathBuf {
    dir.join("tmp")
}

impl Program {
    /// The server in `DATABASE_SERVER`; or looks for one on this machine, and installs one where that needs no question.
    pub(super) fn find_or_install(progress: Progress<'_>) -> Result<Self> {
        if let Some(path) = env::var_os(PROGRAM_VARIABLE).filter(|path| !path.is_empty()) {
            let shown = PathBuf::from(&path).display().to_string();
            return Self::at(path.into()).with_context(|| {
                format!("{PROGRAM_VARIABLE} must be the path of a mysqld or mariadbd that runs here, and is {shown}")
            });
        }
        packages::find_or_install(Self::find, &PACKAGES, progress)
    }

    fn find() -> Option<Self> {
        ["mariadbd", "mysqld"].into_iter().filter_map(system::find).find_map(Self::at)
    }

    fn at(path: PathBuf) -> Option<Self> {
        let output = Command::new(&path).args(["--no-defaults", "--version"]).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split("Ver ").nth(1)?.split_whitespace().next()?;
        let number = version.split('-').next().unwrap_or(version);
        let (kind, name) = if text.contains("MariaDB") {
            (Kind::MariaDb(installer(&path)?), "MariaDB")
        } else {
            (Kind::MySql, "MySQL")
        };
        Some(Self { product: format!("{name} {number}"), path, kind })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn product(&self) -> &str {
        &self.product
    }

    /// Makes the data folder, once. It is made beside its place and moved there when it is whole.
    pub(super) fn initialise(&self, dir: &Path, progress: Progress<'_>) -> Result<()> {
        let (data, made_by) = (data_folder(dir), dir.join("made-by"));
        let name = self.product.split(' ').next().unwrap_or_default();
        if data.exists() {
            let before = fs::read_to_string(&made_by).unwrap_or_default();
            ensure!(
                before == name,
                "the data in {} were made by {before}, and this machine now runs {name}. Install {before} again, or \
                 delete the folder to start with an empty database",
                dir.display()
            );
            return Ok(());
        }
        progress(&format!("making an empty {} database", self.product));
        let unfinished = dir.join("data.new");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)
                .with_context(|| format!("cannot delete {}: delete it by hand", unfinished.display()))?;
        }
        let output =
            self.initialiser(dir, &unfinished).stdin(Stdio::null()).output().context("cannot make a database")?;
        if !output.status.success() {
            bail!(
                "making an empty database in {} failed:\n{}\nIs the disk full, or the folder not writable?",
                dir.display(),
                packages::last_lines(&output)
            );
        }
        fs::write(&made_by, name)?;
        fs::rename(&unfinished, &data)?;
        Ok(())
    }

    fn initialiser(&self, dir: &Path, data: &Path) -> Command {
        let mut command = match &self.kind {
            Kind::MariaDb(installer) => {
                let mut command = Command::new(installer);
                command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
                command
            }
            Kind::MySql => {
                let mut command = Command::new(&self.path);
                command.args(["--no-defaults", "--initialize-insecure", "--secure-file-priv=NULL"]);
                command
            }
        };
        command.arg(option("--datadir=", data)).arg(option("--tmpdir=", &temporary_folder(dir)));
        if system::is_root() {
            command.arg("--user=root");
        }
        command
    }

    /// The command line of a server.
    pub(super) fn arguments(&self, dir: &Path, socket: &Path, port: u16, purpose: Purpose) -> Vec<OsString> {
        let mut arguments = vec![
            "--no-defaults".into(),
            option("--datadir=", &data_folder(dir)),
            option("--tmpdir=", &temporary_folder(dir)),
            option("--socket=", socket),
            option("--pid-file=", &dir.join("db.pid")),
            option("--init-file=", &dir.join("init.sql")),
            format!("--port={port}").into(),
        ];
        let mut also = |list: &[&str]| arguments.extend(list.iter().map(OsString::from));
        also(&[
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--performance-schema=OFF",
            "--max-connections=1000",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_520_ci",
        ]);
        // A name that only one of MySQL and MariaDB knows is `loose`: the other one passes over it.
        also(if purpose.is_durable() {
            &["--innodb-flush-log-at-trx-commit=1", "--innodb-doublewrite=ON"]
        } else {
            &["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF"]
        });
        let (buffer_pool, redo_log) = match purpose {
            Purpose::Test | Purpose::LittleRoom => ("128M", "32M"),
            Purpose::Use => ("256M", "256M"),
            Purpose::Load => ("1G", "1G"),
        };
        also(&[
            &format!("--innodb-buffer-pool-size={buffer_pool}"),
            &format!("--loose-innodb-log-file-size={redo_log}"),
            &format!("--loose-innodb-redo-log-capacity={redo_log}"),
            "--loose-innodb-log-writer-threads=ON",
        ]);
        if purpose == Purpose::LittleRoom {
            let file = format!("--innodb-data-file-path=ibdata1:12M:autoextend:max:{LITTLE_ROOM}M");
            also(&["--innodb-file-per-table=OFF", &file]);
        }
        if matches!(self.kind, Kind::MySql) {
            also(&["--mysqlx=OFF", "--secure-file-priv=NULL"]);
        }
        if system::is_root() {
            also(&["--user=root"]);
        }
        arguments
    }
}

fn option(name: &str, value: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(value);
    option
}

/// MariaDB's script for an empty data folder: in the `PATH`, or beside the server.
fn installer(server: &Path) -> Option<PathBuf> {
    const NAMES: [&str; 2] = ["mariadb-install-db", "mysql_install_db"];
    let prefix = server.canonicalize().ok()?.parent()?.parent()?.to_owned();
    NAMES.into_iter().find_map(|name| {
        system::find(name).or_else(|| {
            ["bin", "scripts"].into_iter().map(|folder| prefix.join(folder).join(name)).find(|file| file.is_file())
        })
    })
}
