//! Leases on a real server.

use std::time::Duration;

use futures::future::join_all;
use lab::database::{TestDatabase, database};
use mysql::{
    DatabaseConfig,
    lease::{self, Holder},
};
use sqlx::MySqlPool;

async fn schema() -> (TestDatabase, MySqlPool) {
    let database = database().await;
    let pool = mysql::pool(&DatabaseConfig::at(&database.url(), 16).unwrap());
    mysql::migrate(&pool, mysql::migrator([lease::TABLE])).await.unwrap();
    (database, pool)
}

#[tokio::test]
async fn one_of_many_takes_a_lease_and_renews_it_while_the_others_wait() {
    let (_database, pool) = schema().await;
    let holders: Vec<Holder> = (0..8).map(|_| Holder::new()).collect();
    let take = async || join_all(holders.iter().map(|holder| lease::hold(&pool, "work", holder, 60))).await;
    let first: Vec<bool> = take().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(first.iter().filter(|has_it| **has_it).count(), 1, "{first:?}");
    let again: Vec<bool> = take().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(again, first, "whoever has it keeps it");
    assert!(lease::hold(&pool, "other work", &Holder::new(), 60).await.unwrap(), "each name is a lease of its own");
}

#[tokio::test]
async fn a_lease_passes_on_when_it_is_given_back_or_runs_out_and_its_old_holder_gives_nothing_back() {
    let (_database, pool) = schema().await;
    let (old, new) = (Holder::new(), Holder::new());
    assert!(lease::hold(&pool, "work", &old, 60).await.unwrap());
    lease::release(&pool, "work", &old).await.unwrap();
    assert!(lease::hold(&pool, "work", &new, 1).await.unwrap(), "it was given back");
    assert!(!lease::hold(&pool, "work", &old, 60).await.unwrap());
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(lease::hold(&pool, "work", &old, 60).await.unwrap(), "it ran out");
    lease::release(&pool, "work", &new).await.unwrap();
    assert!(!lease::hold(&pool, "work", &new, 60).await.unwrap(), "what ran out cannot be given back");
}
