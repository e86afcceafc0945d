use std::collections::BTreeMap;

use chrono::Days;
use common::config::Env;
use lab::database::{TestDatabase, database};
use mysql::DatabaseConfig;

use super::*;
use crate::{
    config::Config,
    domain::chain,
    state::AppState,
    store::entry_feeds::{self, Feed, Reading},
};

const USER: i64 = 7;
/// Entries of the user, each a top-up of 3: more than a page, and than what is written ahead of the client.
const ENTRIES: i64 = 2_500;

/// The state of a service that reaches no other one, and knows entries of a user.
async fn with_entries() -> (TestDatabase, AppState) {
    let database = database().await;
    let environment = |name: &str| match name {
        "APP_ENV" => Some("development".to_owned()),
        "USER_SERVICE_URL" | "TRANSACTION_SERVICE_URL" => Some("http://127.0.0.1:1".to_owned()),
        _ => None,
    };
    let mut config = Config::from_env(Env::new(environment)).unwrap();
    config.service.database = DatabaseConfig::at(&database.url(), 4).unwrap();
    let state = AppState::new(&config);
    state.migrate().await.unwrap();
    let entry = |id: i64| Entry {
        id,
        user_id: USER.try_into().unwrap(),
        created_at: time::now() - Days::new(1),
        kind: "topup".to_owned(),
        amount: 3.into(),
        balance_after: (3 * id).into(),
        counterparty_id: None,
        transaction_id: None,
        reference: None,
        description: None,
    };
    let mut accounts = BTreeMap::new();
    let entries = chain::append(&mut accounts, (1..=ENTRIES).map(entry)).unwrap();
    let mut tx = mysql::begin(&state.pool, fault::Point::new("test")).await.unwrap();
    let nothing = Feed { generation: 1, position: 0, true_at: time::now(), oldest: 1 };
    entry_feeds::begin(&mut tx, Reading::Entries, nothing);
    entry_feeds::write(&mut tx, 1, &entries, &accounts);
    tx.commit().await.unwrap();
    (database, state)
}

fn asked() -> Asked {
    let (now, day) = (time::now(), Days::new(2));
    Asked {
        whose: Whose::of(USER.try_into().unwrap(), None),
        period: ClosedPeriod { from: now - day, to: now + day, zone: chrono_tz::Tz::UTC },
        format: Format::Csv,
        language: Language::English,
        currency: "IDR".to_owned(),
    }
}

#[tokio::test]
async fn a_statement_under_way_waits_for_other_reads_of_its_user_for_long() {
    let (_database, state) = with_entries().await;
    let (body, _) = state.sync.statement(asked()).await.unwrap();
    let mut pieces = body.into_data_stream();
    let mut text = pieces.next().await.unwrap().unwrap().to_vec();
    let held = state.reads.acquire_for(Some(USER.try_into().unwrap())).await.unwrap();
    let longer_than_a_request = common::reads::USER_LOCK_TIMEOUT + Duration::from_millis(500);
    let release = async {
        tokio::time::sleep(longer_than_a_request).await;
        drop(held);
    };
    let rest = async {
        while let Some(piece) = pieces.next().await {
            text.extend(piece.expect("it goes on"));
        }
    };
    tokio::join!(release, rest);
    let last = format!(",topup,3,{},,,,\r\n", 3 * ENTRIES);
    assert!(String::from_utf8(text).unwrap().ends_with(&last));
}
