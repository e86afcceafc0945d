//! Pages whose commands a test runs as they are written.

use std::{fs, iter::zip, process::Stdio, time::Duration};

use lab::{clients::tour_programs, wallet::Service, workspace_root, world::World};
use tokio::{process::Command, task::spawn_blocking, time::timeout};

/// The longest that the commands of one page may take, on a busy machine.
const LONGEST: Duration = Duration::from_mins(5);
/// Stands between what two steps print.
const SEPARATOR: char = '\u{1e}';
/// In what a page says that a step prints: any characters, in one line.
const ANYTHING: char = '…';

/// Commands of a page, and what it says that they print.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// A block of `sh`, without remarks.
    pub commands: String,
    /// The block of `text` after it; `None` if there is none.
    pub prints: Option<String>,
}

/// The text of a page.
pub fn page(name: &str) -> String {
    fs::read_to_string(workspace_root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The steps of a page.
pub fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // every second part is a block
    for block in page.split("```").skip(1).step_by(2) {
        let (kind, block) = block.split_once('\n').unwrap_or_default();
        match (kind, steps.last_mut()) {
            ("sh", _) => steps.push(Step { commands: without_remarks(block), prints: None }),
            ("text", Some(step)) if step.prints.is_none() => step.prints = Some(block.to_owned()),
            ("text", _) => panic!("what prints this? {block}"),
            _ => {}
        }
    }
    steps
}

fn without_remarks(block: &str) -> String {
    block.lines().map(|line| line.split(" #").next().unwrap_or_default().trim_end()).collect::<Vec<_>>().join("\n")
}

/// Runs the steps of a page in `world` one after the other, and returns what each of them prints. None may fail.
///
/// # Panics
/// If one fails; the message shows what all of them have printed.
pub async fn run(world: &World, steps: &[Step]) -> Vec<String> {
    spawn_blocking(|| tour_programs(&|step| eprintln!("{step}"))).await.unwrap().unwrap();
    let blocks = steps.iter().map(|step| format!("{}\nprintf '{SEPARATOR}'\n", step.commands));
    let mut script = blocks.collect::<String>().replace(".wallet/mail", &world.wallet.mail().display().to_string());
    for (port, service) in (5001..).zip(Service::ALL) {
        script = script.replace(&format!("http://localhost:{port}"), &world.wallet.url(service));
    }
    let mut bash = Command::new("bash");
    let output = bash.args(["-euc", &script]).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(LONGEST, output).await.expect("the commands come to an end").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let printed: Vec<String> = said.split_terminator(SEPARATOR).map(str::to_owned).collect();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed.len(), steps.len(), "{said}");
    printed
}

/// Runs the steps of a guide in a wallet of its own. Each prints what the guide says, and one of which it says nothing prints nothing.
///
/// # Panics
/// If a step fails or prints something else.
pub async fn follow_guide(name: &str) {
    let steps = steps(&page(&format!("docs/guides/{name}")));
    assert!(steps.len() > 3, "{name} has {} steps", steps.len());
    let world = World::start().await;
    for (step, printed) in zip(&steps, run(&world, &steps).await) {
        let said = step.prints.as_deref().unwrap_or_default();
        assert!(
            is_as_said(said, &printed),
            "{name} says of\n\n{}\n\nthat it prints\n\n{said}\nand it prints\n\n{printed}",
            step.commands
        );
    }
}

/// Whether a step prints what is said: line by line, where [`ANYTHING`] is any part of a line.
fn is_as_said(said: &str, printed: &str) -> bool {
    let (said, printed): (Vec<_>, Vec<_>) = (said.trim().lines().collect(), printed.trim().lines().collect());
    said.len() == printed.len() && zip(said, printed).all(|(said, printed)| is_line_as_said(said, printed))
}

fn is_line_as_said(said: &str, printed: &str) -> bool {
    let Some((begin, said)) = said.split_once(ANYTHING) else { return said == printed };
    let Some(mut rest) = printed.strip_prefix(begin) else { return false };
    let (middle, end) = said.rsplit_once(ANYTHING).unwrap_or(("", said));
    for part in middle.split(ANYTHING) {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(end)
}

#[test]
fn what_stands_for_anything_is_the_only_difference_that_counts_for_none() {
    let said = "{\"id\":…,\"status\":\"pending\"}\n[…]\n";
    assert!(is_as_said(said, "{\"id\":17,\"status\":\"pending\"}\n[1,2]\n"));
    for printed in [
        "",
        "{\"id\":17,\"status\":\"pending\"}",
        "{\"id\":17,\"status\":\"completed\"}\n[1,2]",
        "{\"id\":17,\"status\":\"pending\"}\n[1,2]\n[]",
        "{\"id\":17,\"status\":\"pending\",\"amount\":1}\n[1,2]",
    ] {
        assert!(!is_as_said(said, printed), "{printed}");
    }
    assert!(is_as_said("", "") && is_as_said("a…c…e", "abcde") && !is_as_said("a…c…e", "abde"));
    assert!(!is_as_said("ab…ba", "aba"), "nothing counts twice");
}

#[test]
fn a_step_is_what_stands_in_a_block_and_what_it_prints_in_the_next_one() {
    let page = "Words\n\n```sh\necho 1 # says 1\n```\n\n```text\n1\n```\n\n```json\n{}\n```\n\n```sh\ntrue\n```\n";
    let step = |commands: &str, prints: Option<&str>| Step {
        commands: commands.to_owned(),
        prints: prints.map(str::to_owned),
    };
    assert_eq!(steps(page), [step("echo 1", Some("1\n")), step("true", None)]);
}
