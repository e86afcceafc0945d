//! The tour of the README is what it says, and the same in both languages.

use lab::{wallet::Service, world::World};
use serde_json::Value;

use crate::pages::{Step, page, run, steps};

/// The commands of a page.
fn commands(page: &str) -> Vec<String> {
    steps(page).into_iter().map(|step| step.commands).collect()
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
    // each answer on a line of its own
    let is_asked = |line: &str| line.starts_with("curl") || line == "reserve";
    let apart =
        |line: &str| if is_asked(line) && !line.ends_with('\\') { format!("{line}; echo") } else { line.to_owned() };
    let mut steps: Vec<Step> = steps(page);
    for step in &mut steps {
        step.commands = step.commands.lines().map(apart).collect::<Vec<_>>().join("\n");
    }
    let said = run(world, &steps).await.concat();
    let answers: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(answers.iter().all(|answer| answer["error"].is_null()), "{said}");
    (said, answers)
}
