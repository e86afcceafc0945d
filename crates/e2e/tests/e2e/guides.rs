//! The guides are what they say: their commands run, and print what stands below them.

use std::{collections::BTreeSet, fs};

use lab::workspace_root;

use crate::pages::{follow_guide, page};

/// Every guide; each has a test below.
const GUIDES: [&str; 6] =
    ["checkout.md", "refunds.md", "payouts.md", "schedules.md", "split-with-fee.md", "reconciliation.md"];
/// A file that one of them shows.
const SAMPLE: &str = "reconciliation.csv";

#[test]
fn each_guide_is_tested_and_in_the_index() {
    let folder = fs::read_dir(workspace_root().join("docs/guides")).unwrap();
    let found: BTreeSet<String> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, GUIDES.into_iter().chain(["README.md", SAMPLE]).map(str::to_owned).collect());
    let index = page("docs/guides/README.md");
    for guide in GUIDES {
        assert!(index.contains(&format!("({guide})")), "{guide}");
    }
}

#[tokio::test]
async fn a_checkout_is_as_its_guide_says() {
    follow_guide(GUIDES[0]).await;
}

#[tokio::test]
async fn refunds_are_as_their_guide_says() {
    follow_guide(GUIDES[1]).await;
}

#[tokio::test]
async fn payouts_are_as_their_guide_says() {
    follow_guide(GUIDES[2]).await;
}

#[tokio::test]
async fn schedules_are_as_their_guide_says() {
    follow_guide(GUIDES[3]).await;
}

#[tokio::test]
async fn a_split_with_a_fee_is_as_its_guide_says() {
    follow_guide(GUIDES[4]).await;
}

#[tokio::test]
async fn a_reconciliation_is_as_its_guide_says() {
    follow_guide(GUIDES[5]).await;
}
