//! `tidy`: the rules of ARCHITECTURE.md that a program can check.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use harness::{sources::rust_files, wallet::Service, workspace_root};

/// The most lines of a source file.
const MAX_LINES: usize = 400;

/// Prints what breaks a rule.
pub fn run() -> Result<ExitCode> {
    check()?;
    println!("The code keeps its rules.");
    Ok(ExitCode::SUCCESS)
}

/// Fails with a list of what breaks a rule.
pub fn check() -> Result<()> {
    let root = workspace_root();
    let mut problems = Vec::new();
    for service in Service::ALL {
        let folder = root.join("crates").join(service.name());
        let manifest = read(&folder.join("Cargo.toml"))?;
        problems.extend(other_services(service, &manifest));
        for file in rust_files(&folder.join("src"))? {
            let inside = file.strip_prefix(folder.join("src"))?;
            problems.extend(misplaced(inside, &read(&file)?).map(|what| format!("{}: {what}", shown(&file, &root))));
        }
    }
    let mut variables = BTreeSet::new();
    let writers = writers(&root)?;
    for folder in source_folders(&root)? {
        for file in rust_files(&folder)? {
            let text = read(&file)?;
            let lines = text.lines().count();
            if lines > MAX_LINES {
                problems.push(format!("{}: {lines} lines, more than {MAX_LINES}", shown(&file, &root)));
            }
            if folder == root.join("crates/common/src")
                || Service::ALL.iter().any(|s| folder == source_folder(&root, *s))
            {
                let without = unnamed_commits(&file, &text, &writers);
                problems.extend(without.map(|what| format!("{}: {what}", shown(&file, &root))));
            }
            if file == folder.join("config.rs") {
                variables.extend(variables_read(&text));
            }
        }
    }
    let example = read(&root.join(".env.example"))?;
    for variable in variables.iter().filter(|variable| !is_listed(&example, variable)) {
        problems.push(format!(".env.example: {variable} is missing"));
    }
    if !problems.is_empty() {
        bail!("{} rule(s) broken:\n  {}", problems.len(), problems.join("\n  "));
    }
    Ok(())
}

/// No service depends on another one, not even in its tests.
fn other_services(service: Service, manifest: &str) -> Vec<String> {
    let others = Service::ALL.into_iter().filter(|other| *other != service);
    let depends = |other: &Service| {
        manifest.lines().any(|line| {
            line.strip_prefix(other.name()).is_some_and(|rest| rest.trim_start().starts_with(['.', '=']))
                || line.trim().trim_matches(['[', ']']).ends_with(&format!("dependencies.{}", other.name()))
        })
    };
    others.filter(depends).map(|other| format!("{} depends on {}", service.name(), other.name())).collect()
}

fn is_within(file: &Path, names: &[&str]) -> bool {
    file.iter().any(|part| names.iter().any(|name| part.to_string_lossy().trim_end_matches(".rs") == *name))
}

/// SQL stands under `store` or `ledger` only, calls to other services under `clients` only.
fn misplaced(file: &Path, text: &str) -> Option<&'static str> {
    let code = || text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let has = |words: &[&str]| code().any(|line| words.iter().any(|word| line.contains(word)));
    if has(&["sqlx::query", "sqlx::raw_sql", "query_as(", "query_scalar(", "QueryBuilder"])
        && !is_within(file, &["store", "ledger"])
    {
        return Some("SQL outside store/ and ledger/");
    }
    // A service's lib.rs makes the clients; they are used under clients/.
    if has(&["reqwest::", "ServiceClient"]) && !is_within(file, &["clients", "lib"]) {
        return Some("a call to another service outside clients/");
    }
    None
}

/// Code without tests; nothing of a file that has nothing else.
fn without_tests(text: &str) -> &str {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    if code.contains("#[test]") || code.contains("#[tokio::test]") { "" } else { code }
}

fn source_folder(root: &Path, service: Service) -> PathBuf {
    root.join("crates").join(service.name()).join("src")
}

/// The functions that write, by name: those of `store` and `ledger` whose SQL changes rows.
fn writers(root: &Path) -> Result<BTreeSet<String>> {
    let mut writers = BTreeSet::new();
    for service in Service::ALL {
        let folder = source_folder(root, service);
        for file in rust_files(&folder)? {
            if is_within(file.strip_prefix(&folder)?, &["store", "ledger"]) {
                writers.extend(writers_in(&read(&file)?));
            }
        }
    }
    Ok(writers)
}

fn writers_in(text: &str) -> BTreeSet<String> {
    let code = without_tests(text);
    let functions = code.split("pub async fn ").skip(1);
    let writes = |body: &&str| ["INSERT ", "UPDATE ", "DELETE ", ".execute("].iter().any(|word| body.contains(word));
    let name = |body: &str| body.split(['(', '<']).next().unwrap_or_default().to_owned();
    functions.filter(writes).map(name).collect()
}

/// Every commit has a failpoint on each side: whatever writes does so between `db::begin`, which wants a name for it, and
/// `commit`, and never on a connection that commits by itself.
fn unnamed_commits(file: &Path, text: &str, writers: &BTreeSet<String>) -> Option<String> {
    if file.ends_with("common/src/db.rs") {
        return None;
    }
    let code = without_tests(text);
    let flat: String = code.split_whitespace().collect();
    for begun in ["pool.begin()", "pool).begin()", "conn.begin()"] {
        if flat.contains(begun) {
            return Some(format!("{begun} in place of db::begin"));
        }
    }
    if flat.contains(".execute(&self.pool)") || flat.contains(".execute(&pool)") || flat.contains(".execute(pool)") {
        return Some("a statement that commits by itself".to_owned());
    }
    let on_its_own = |writer: &&String| {
        flat.contains(&format!("{writer}(&mut*pool.acquire()"))
            || flat.contains(&format!("{writer}(&mut*self.pool.acquire()"))
            || flat.contains(&format!("::{writer}(&mutconn"))
    };
    writers.iter().find(on_its_own).map(|writer| format!("{writer} writes outside of db::begin and commit"))
}

/// The variables that a `config.rs` reads: texts in capitals that come first in a call.
fn variables_read(text: &str) -> BTreeSet<String> {
    let code = without_tests(text);
    let mut variables = BTreeSet::new();
    for call in code.split('(').skip(1) {
        let name = call.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
        if let Some(name) = name.filter(|name| name.len() > 2 && name.bytes().all(is_variable_byte)) {
            variables.insert(name.to_owned());
        }
    }
    variables
}

fn is_variable_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}

/// True if the example has the variable, commented out or not.
pub fn is_listed(example: &str, variable: &str) -> bool {
    example
        .lines()
        .map(|line| line.trim_start_matches(['#', ' ']))
        .any(|line| line.strip_prefix(variable).is_some_and(|rest| rest.starts_with('=')))
}

fn source_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![root.join("xtask/src")];
    for entry in fs::read_dir(root.join("crates"))? {
        folders.push(entry?.path().join("src"));
    }
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    Ok(folders)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn shown(file: &Path, root: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_what_comes_first_in_a_call() {
        let text =
            "env.text(\"CURRENCY\", \"IDR\"); env.parse(\n    \"PORT\", \"x\"); f(\"no\"); #[cfg(test)] g(\"TESTS\")";
        assert_eq!(variables_read(text).into_iter().collect::<Vec<_>>(), ["CURRENCY", "PORT"]);
    }

    #[test]
    fn a_service_that_depends_on_another_is_found() {
        let found = |manifest| other_services(Service::User, manifest).len();
        assert_eq!(found("[dependencies]\nuser-service.workspace = true\ncommon.workspace = true"), 0);
        assert_eq!(found("[dev-dependencies]\nreport-service.workspace = true"), 1);
        assert_eq!(found("[dependencies]\nreport-service = { path = \"x\" }"), 1);
        assert_eq!(found("[dependencies.transaction-service]\npath = \"x\""), 1);
    }

    #[test]
    fn sql_and_calls_have_their_places() {
        let sql = "let row = sqlx::query(\"SELECT 1\");";
        assert!(misplaced(Path::new("routes/users.rs"), sql).is_some());
        assert_eq!(misplaced(Path::new("store/user.rs"), sql), None);
        assert_eq!(misplaced(Path::new("ledger.rs"), sql), None);
        assert_eq!(misplaced(Path::new("lib.rs"), "// sqlx::query is for store/"), None);
        assert!(misplaced(Path::new("store/user.rs"), "reqwest::get(url)").is_some());
    }

    #[test]
    fn a_commit_without_a_failpoint_is_found() {
        let store =
            "pub async fn hide(c) { sqlx::query(\"UPDATE t\") } pub async fn find(c) { sqlx::query(\"SELECT\") }";
        let writers = writers_in(store);
        assert_eq!(writers.iter().collect::<Vec<_>>(), ["hide"]);
        let found = |text| unnamed_commits(Path::new("routes/x.rs"), text, &writers);
        assert_eq!(found("let mut tx = db::begin(&pool, point!(\"x\")).await?; store::hide(&mut tx, id)"), None);
        assert_eq!(found("store::find(&mut *pool.acquire().await?, id)"), None);
        assert!(found("store::hide(&mut *pool\n.acquire().await?, id)").is_some());
        assert!(found("let mut conn = pool.acquire().await?; store::hide(&mut conn, id)").is_some());
        assert!(found("let mut tx = pool.begin().await?;").is_some());
        assert!(found("query.execute(&self.pool)").is_some());
    }

    #[test]
    fn the_example_may_comment_a_variable_out() {
        let example = "PORT=5001\n# SMTP_SERVER=smtp.example.com\n";
        assert!(is_listed(example, "PORT") && is_listed(example, "SMTP_SERVER") && !is_listed(example, "SMTP"));
    }
}
