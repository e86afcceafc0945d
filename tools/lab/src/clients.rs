//! Programs that people type commands with: `mysql` and `mysqldump`, by either name that MariaDB gives them, `curl` and `jq`.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    Progress,
    packages::{self, Packages},
    system,
};

const PACKAGES: Packages = Packages {
    what: "the database's client programs (mysql and mysqldump)",
    debian: &["mariadb-client"],
    fedora: "mariadb",
    arch: "mariadb-clients",
    homebrew: "mariadb",
};

/// Where `mysql` and `mysqldump` are.
pub fn client_programs(progress: Progress<'_>) -> Result<[PathBuf; 2]> {
    let either = |names: [&str; 2]| names.into_iter().find_map(system::find);
    let find = || Some([either(["mysql", "mariadb"])?, either(["mysqldump", "mariadb-dump"])?]);
    packages::find_or_install(find, &PACKAGES, progress)
}

/// Makes sure that `curl` and `jq` are there, which the README's tour uses.
pub fn tour_programs(progress: Progress<'_>) -> Result<()> {
    const PACKAGES: Packages = Packages {
        what: "curl and jq",
        debian: &["curl", "jq"],
        fedora: "curl jq",
        arch: "curl jq",
        homebrew: "curl jq",
    };
    packages::find_or_install(|| system::find("curl").and(system::find("jq")).map(drop), &PACKAGES, progress)
}
