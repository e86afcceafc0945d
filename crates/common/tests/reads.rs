//! Reads on a real server: what takes too long, and who waits for whom.

use std::time::Instant;

use axum::{http::StatusCode, response::IntoResponse};
use common::{
    ApiError,
    reads::{ReadPool, STATEMENT_LIMIT},
};
use lab::database::database;
use money::UserId;
use mysql::DatabaseConfig;

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_and_the_caller_told_to_come_back() {
    let database = database().await;
    let reads = ReadPool::new(&DatabaseConfig::at(&database.url(), 8).unwrap());
    let mut conn = reads.acquire().await.unwrap();
    let begun = Instant::now();
    // what SLEEP answers when it is interrupted differs; a row for each of ten seconds is ended like any other read
    let endless = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                   SELECT COUNT(*) FROM n a, n b, n c, n d, n e WHERE SHA2(CONCAT(a.i, b.i, c.i, d.i, e.i), 512) = ''";
    let error = sqlx::query(endless).fetch_all(&mut *conn).await.unwrap_err();
    assert!(begun.elapsed() < STATEMENT_LIMIT * 3, "{:?}", begun.elapsed());
    let answer = ApiError::from(error).into_response();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&mut *conn).await.unwrap();
    assert_eq!(one, 1, "the session goes on");
}

#[tokio::test]
async fn one_user_reads_with_one_connection_whatever_it_asks_for() {
    let database = database().await;
    let reads = ReadPool::new(&DatabaseConfig::at(&database.url(), 8).unwrap());
    let user = |id: i64| Some(UserId::try_from(id).unwrap());
    let first = reads.acquire_for(user(1)).await.unwrap();
    let refused = reads.acquire_for(user(1)).await.unwrap_err();
    assert_eq!(refused.body()["code"], "overloaded");
    let _others = (reads.acquire_for(user(2)).await.unwrap(), reads.acquire_for(None).await.unwrap());
    drop(first);
    reads.acquire_for(user(1)).await.unwrap();
}
