//! `tidy`: the rules of ARCHITECTURE.md that a program can check.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::modules::{circles, circles_in};
use anyhow::{Context, Result, bail};
use lab::{
    sources::{error_codes, rust_files},
    wallet::Service,
    workspace_root,
};

/// The most lines of a source file.
const MAX_LINES: usize = 400;

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
            if folder.starts_with(root.join("crates")) && !folder.starts_with(root.join("crates/mysql")) {
                let without = unnamed_commits(&text, &writers);
                problems.extend(without.map(|what| format!("{}: {what}", shown(&file, &root))));
            }
            if file == folder.join("config.rs") {
                variables.extend(variables_read(&text));
            }
        }
    }
    for folder in source_folders(&root)? {
        let name = shown(&folder, &root);
        problems.extend(circles(&folder)?.iter().map(|circle| format!("{name}: a circle of {}", circle.join(", "))));
    }
    problems.extend(circles_of_crates(&root)?);
    problems.extend(lost_files(&root)?);
    let example = read(&root.join(".env.example"))?;
    for variable in variables.iter().filter(|variable| !is_listed(&example, variable)) {
        problems.push(format!(".env.example: {variable} is missing"));
    }
    problems.extend(errors_page(&read(&root.join("docs/errors.md"))?, &error_codes()?));
    if !problems.is_empty() {
        bail!("{} rule(s) broken:\n  {}", problems.len(), problems.join("\n  "));
    }
    Ok(())
}

/// Source files that a page names and that are not there.
fn lost_files(root: &Path) -> Result<Vec<String>> {
    let mut sources = Vec::new();
    for parent in ["crates", "tools", "xtask"] {
        sources.extend(rust_files(&root.join(parent))?);
    }
    let folders = ["", "docs", "docs/decisions", "docs/guides", "deploy/kubernetes"];
    let mut pages: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    pages.retain(|folder| folder.is_dir());
    let mut problems = Vec::new();
    for folder in pages {
        for entry in fs::read_dir(folder)? {
            let page = entry?.path();
            if page.extension().is_some_and(|extension| extension == "md") {
                let lost = lost_in(&read(&page)?, &sources);
                problems.extend(lost.into_iter().map(|file| format!("{}: there is no {file}", shown(&page, root))));
            }
        }
    }
    Ok(problems)
}

fn lost_in(page: &str, sources: &[PathBuf]) -> Vec<String> {
    let quoted = page.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    let is_source = |word: &str| Path::new(word).extension().is_some_and(|extension| extension == "rs");
    let named = quoted.filter(|word| is_source(word) && !word.contains(['*', '{', '<']));
    named.filter(|file| !sources.iter().any(|source| source.ends_with(file))).map(str::to_owned).collect()
}

/// Crates that depend on each other, also if only in their tests.
fn circles_of_crates(root: &Path) -> Result<Vec<String>> {
    let folders = source_folders(root)?;
    let name =
        |folder: &Path| folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let names: BTreeSet<String> = folders.iter().filter_map(|folder| name(folder)).collect();
    let mut edges = BTreeSet::new();
    for folder in &folders {
        let manifest = read(&folder.with_file_name("Cargo.toml"))?;
        let dependencies = manifest.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        let own = name(folder).unwrap_or_default();
        edges.extend(dependencies.filter(|other| names.contains(*other)).map(|other| (own.clone(), other.to_owned())));
    }
    let circles = circles_in(&edges);
    Ok(circles.iter().map(|circle| format!("crates that depend on each other: {}", circle.join(", "))).collect())
}

/// The page of errors explains each code, under its status, and no other.
fn errors_page(page: &str, codes: &[(u16, String)]) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut statuses, mut explained) = ("", BTreeSet::new());
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            statuses = heading;
        } else if let Some(name) = line.strip_prefix("### ") {
            match codes.iter().find(|(_, code)| code == name) {
                None => problems.push(format!("docs/errors.md: no error has the code {name}")),
                Some((status, _)) if !statuses.contains(&status.to_string()) => {
                    problems.push(format!("docs/errors.md: {name} is {status}"));
                }
                Some(_) if !explained.insert(name) => problems.push(format!("docs/errors.md: {name} is there twice")),
                Some(_) => {}
            }
        }
    }
    let missing = codes.iter().filter(|(_, code)| !explained.contains(code.as_str()));
    problems.extend(missing.map(|(_, code)| format!("docs/errors.md: {code} is missing")));
    problems
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

/// SQL stands under `store` or `ledger` only, calls to other services under `clients` only, and units of work begin under
/// `app`.
fn misplaced(file: &Path, text: &str) -> Option<&'static str> {
    let code = || text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let has = |words: &[&str]| code().any(|line| words.iter().any(|word| line.contains(word)));
    if has(&["sqlx::query", "sqlx::raw_sql", "query_as(", "query_scalar(", "QueryBuilder"])
        && !is_within(file, &["store", "ledger"])
    {
        return Some("SQL outside store/ and ledger/");
    }
    // What is written together is a use case.
    if has(&["mysql::begin("]) && !is_within(file, &["app", "store"]) {
        return Some("a unit of work outside app/");
    }
    // A service's state makes the clients; they are used under clients/.
    if has(&["reqwest::", "ServiceClient"]) && !is_within(file, &["clients", "state"]) {
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
    // what queues statements for a unit of work cannot be run without one
    let up_to_the_next = |body: &'_ str| body.split("\npub fn ").next().unwrap_or_default().to_owned();
    let functions = code.split("pub async fn ").skip(1).map(up_to_the_next);
    // the settings of a snapshot to read in are no rows
    let writes = |body: &String| {
        ["INSERT ", "UPDATE ", "DELETE ", ".execute("].iter().any(|word| body.contains(word))
            && !body.contains("READ ONLY")
    };
    let name = |body: String| body.split(['(', '<']).next().unwrap_or_default().to_owned();
    functions.filter(writes).map(name).collect()
}

/// Every commit has a failpoint on each side: whatever writes does so between `mysql::begin`, which wants a name for it, and
/// `commit`, and never on a connection that commits by itself.
fn unnamed_commits(text: &str, writers: &BTreeSet<String>) -> Option<String> {
    let code = without_tests(text);
    let flat: String = code.split_whitespace().collect();
    for begun in ["pool.begin()", "pool).begin()", "conn.begin()"] {
        if flat.contains(begun) {
            return Some(format!("{begun} in place of mysql::begin"));
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
    writers.iter().find(on_its_own).map(|writer| format!("{writer} writes outside of mysql::begin and commit"))
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
    for parent in ["crates", "tools"] {
        for entry in fs::read_dir(root.join(parent))? {
            folders.push(entry?.path().join("src"));
        }
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
    fn a_page_names_files_that_are_there() {
        let sources = [PathBuf::from("/w/crates/a/src/app/post.rs"), PathBuf::from("/w/crates/a/src/lib.rs")];
        assert_eq!(lost_in("see `app/post.rs`, `post.rs` and `src/lib.rs`", &sources), Vec::<String>::new());
        assert_eq!(lost_in("see `ledger/post.rs` and `st.rs`, not pre.rs", &sources), ["ledger/post.rs", "st.rs"]);
    }

    #[test]
    fn the_page_of_errors_has_each_code_under_its_status_and_no_other() {
        let codes = [(404, "not_here".to_owned()), (409, "taken".to_owned())];
        assert_eq!(errors_page("## 404\n### not_here\n## 409, 422\n### taken", &codes), Vec::<String>::new());
        let problems = errors_page("## 404\n### not_here\n### not_here\n### taken\n### unknown", &codes);
        assert_eq!(problems.len(), 4, "{problems:?}");
    }

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
        let found = |text| unnamed_commits(text, &writers);
        assert_eq!(found("let mut tx = mysql::begin(&pool, point!(\"x\")).await?; store::hide(&mut tx, id)"), None);
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
