//! The copy of display names.

use std::collections::HashMap;

use money::UserId;
use mysql::{
    Unit,
    bulk::{BulkInsert, Value, list},
};
use sqlx::{MySqlConnection, QueryBuilder};

pub(super) const NAMES: &str = "SELECT user_id, display_name FROM names WHERE user_id IN ";

/// The names of those of `users` that have one.
pub async fn find(conn: &mut MySqlConnection, users: &[UserId]) -> sqlx::Result<HashMap<UserId, String>> {
    let mut query = QueryBuilder::new(NAMES);
    mysql::push_list(&mut query, users.iter().copied());
    let rows: Vec<(UserId, String)> = query.build_query_as().fetch_all(conn).await?;
    Ok(rows.into_iter().collect())
}

/// Keeps names.
pub fn write<'a>(unit: &mut Unit, names: impl IntoIterator<Item = (UserId, &'a str)>) {
    let mut insert = BulkInsert::new("INSERT INTO names (user_id, display_name)");
    for (user, name) in names {
        insert.row(&[user.get().into(), Value::Text(name)]);
    }
    unit.insert(insert.on_duplicate(" ON DUPLICATE KEY UPDATE display_name = VALUES(display_name)"));
}

/// Forgets the names of `users`.
pub fn forget(unit: &mut Unit, users: &[UserId]) {
    if !users.is_empty() {
        let users = list(users.iter().map(|user| user.get()));
        unit.write(format!("DELETE FROM names WHERE user_id IN {users}"));
    }
}
