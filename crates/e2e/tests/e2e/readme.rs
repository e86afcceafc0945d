//! The tour of the README is what it says, and the same in both languages.

use std::{fs, process::Stdio};

use lab::{clients::tour_programs, wallet::Service, workspace_root, world::World};
use serde_json::Value;
use tokio::{process::Command, task::spawn_blocking};

fn page(name: &str) -> String {
    fs::read_to_string(workspace_root().join(name)).unwrap()
}

/// The commands of a page, without remarks.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks
        .map(|block| {
            block.lines().map(|line| line.split(" #").next().unwrap().trim_end()).collect::<Vec<_>>().join("\n")
        })
        .collect()
}

#[test]
fn the_commands_are_the_same_in_both_languages() {
    let (english, indonesian) = (page("README.md"), page("README.id.md"));
    assert_eq!(commands(&english), commands(&indonesian));
    assert!(commands(&english).len() > 5);
}

#[test]
fn what_the_badges_say_is_so() {
    let manifest = page("Cargo.toml");
    for name in ["README.md", "README.id.md"] {
        let readme = page(name);
        let rust = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
        assert!(readme.contains(&format!("badge/rust-{rust}%2B-")), "{name}");
        assert!(readme.contains("badge/licence-MIT-") && manifest.contains("license = \"MIT\""), "{name}");
        assert!(readme.contains("badge/unsafe-forbidden-") && manifest.contains("unsafe_code = \"forbid\""), "{name}");
        assert!(readme.contains("badge/OpenAPI-3.1-"), "{name}");
    }
}

#[tokio::test]
async fn the_tour_comes_to_what_it_says() {
    spawn_blocking(|| tour_programs(&|step| eprintln!("{step}"))).await.unwrap().unwrap();
    let world = World::start().await;
    let document = world.api(Service::User).get("/openapi.json").await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));

    let readme = page("README.md");
    let tour = readme.split("\n## ").find(|section| section.starts_with("The tour\n")).unwrap();
    let (said, answers) = follow(&world, tour).await;
    let all = || answers.iter();
    assert!(all().any(|answer| answer["balance"] == 90_000 && answer["held"] == 10_000), "{said}");
    assert!(all().any(|answer| answer["status"] == "completed"), "{said}");
    assert!(all().any(|answer| answer["balance"] == 10_000), "{said}");
    assert!(all().any(|answer| answer["total_spent"] == 10_000), "{said}");
    assert!(all().any(|answer| answer["ok"] == true), "{said}");
}

#[tokio::test]
async fn a_shop_is_integrated_as_its_page_says() {
    spawn_blocking(|| tour_programs(&|step| eprintln!("{step}"))).await.unwrap().unwrap();
    let world = World::start().await;
    let (said, answers) = follow(&world, &page("docs/integrating-a-shop.md")).await;
    let statuses: Vec<&str> = answers.iter().filter_map(|answer| answer["status"].as_str()).collect();
    assert_eq!(statuses, ["pending", "completed", "cancelled"], "{said}");
    let balances: Vec<i64> = answers.iter().filter_map(|answer| answer["balance"].as_i64()).collect();
    assert_eq!(balances, [100_000, 25_000, 75_000], "{said}");
    let last = answers.last().unwrap();
    assert!(last["amount"] == 25_000 && last["description"].as_str().unwrap().starts_with("order-"), "{said}");
}

/// Runs the commands of a page in `world`, none of which may fail, and returns what they say: as text, and each answer.
async fn follow(world: &World, page: &str) -> (String, Vec<Value>) {
    let mut script = commands(page).join("\n").replace(".wallet/mail", &world.wallet.mail().display().to_string());
    for (port, service) in (5001..).zip(Service::ALL) {
        script = script.replace(&format!("http://localhost:{port}"), &world.wallet.url(service));
    }
    // each answer on a line of its own
    let is_asked = |line: &str| line.starts_with("curl") || line == "reserve";
    let script = script
        .lines()
        .map(|line| if is_asked(line) && !line.ends_with('\\') { format!("{line}; echo") } else { line.to_owned() });
    let script = script.collect::<Vec<_>>().join("\n");
    let output = Command::new("bash").args(["-euc", &script]).stdin(Stdio::null()).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(answers.iter().all(|answer| answer["error"].is_null()), "{said}");
    (said, answers)
}
