//! How much mail each user has caused of late: see [`crate::domain::fairness`].

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use money::UserId;
use mysql::bulk::{BulkInsert, Value};
use sqlx::{MySqlConnection, QueryBuilder};

use crate::domain::fairness::{Allowance, Meter, Meters};

/// Users whose meters one query reads: what fits one flight.
const MAX_USERS: usize = 1000;

/// The meters of `users` as they are, locked, so that nobody else's mails come in between.
pub async fn lock(conn: &mut MySqlConnection, users: &BTreeSet<UserId>) -> sqlx::Result<Meters> {
    let users: Vec<UserId> = users.iter().copied().collect();
    let mut ahead = HashMap::new();
    for users in users.chunks(MAX_USERS) {
        let mut query = QueryBuilder::new(
            "SELECT user_id, meter, TIMESTAMPDIFF(MICROSECOND, NOW(6), runs_until) FROM mail_meters WHERE user_id IN ",
        );
        mysql::push_list(&mut query, users.iter().copied());
        query.push(" ORDER BY user_id, meter FOR UPDATE");
        let rows: Vec<(UserId, String, i64)> = query.build_query_as().fetch_all(&mut *conn).await?;
        ahead.extend(rows.into_iter().filter_map(|(user, name, microseconds)| {
            let ahead = Duration::from_micros(u64::try_from(microseconds).unwrap_or_default());
            Some((Meter::named(&name, user)?, ahead))
        }));
    }
    Ok(Meters { ahead, ..Meters::default() })
}

/// Moves meters on by the mails that came.
pub async fn store(conn: &mut MySqlConnection, meters: &Meters, allowance: Allowance) -> sqlx::Result<()> {
    let mut insert = BulkInsert::new("INSERT INTO mail_meters (user_id, meter, runs_until)");
    for (meter, mails) in &meters.mails {
        let on = (allowance.share(*meter) * *mails).as_micros();
        let on = u64::try_from(on).expect("a batch of mails takes less than a million years");
        if let Some(name) = meter.name() {
            insert.row(&[meter.user().get().into(), Value::Text(name), Value::InMicroseconds(on)]);
        }
    }
    // from where it is, also if somebody else has made it meanwhile
    let insert = insert.on_duplicate(
        " ON DUPLICATE KEY UPDATE runs_until = GREATEST(runs_until, NOW(6))
          + INTERVAL TIMESTAMPDIFF(MICROSECOND, NOW(6), VALUES(runs_until)) MICROSECOND",
    );
    insert.execute(conn).await
}
