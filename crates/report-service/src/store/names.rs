//! The copy of display names.

use std::collections::HashMap;

use money::UserId;
use mysql::{
    Unit,
    bulk::{BulkInsert, Value},
    row,
};
use sqlx::{MySqlConnection, QueryBuilder};

pub(super) const NAMES: &str = "SELECT user_id, display_name, closings FROM names WHERE user_id IN ";

row! {
    /// What is kept of a user's name.
    #[derive(Debug, Clone)]
    struct Row {
        user_id: UserId,
        display_name: String,
        closings: i32,
    }
}

/// What was kept of names at a moment.
#[derive(Debug, Default)]
pub struct Kept {
    /// The names.
    pub names: HashMap<UserId, String>,
    /// How often accounts of these numbers had been closed.
    closings: HashMap<UserId, i32>,
}

/// What is kept of the names of `users`.
pub async fn find(conn: &mut MySqlConnection, users: &[UserId]) -> sqlx::Result<Kept> {
    let mut query = QueryBuilder::new(NAMES);
    mysql::push_list(&mut query, users.iter().copied());
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    let closings = rows.iter().map(|row| (row.user_id, row.closings)).collect();
    let named = rows.into_iter().filter(|row| !row.display_name.is_empty());
    Ok(Kept { names: named.map(|row| (row.user_id, row.display_name)).collect(), closings })
}

/// Keeps names that were asked for after something else was `kept`: none of an account that was closed since.
pub fn write<'a>(unit: &mut Unit, kept: &Kept, names: impl IntoIterator<Item = (UserId, &'a str)>) {
    let mut insert = BulkInsert::new("INSERT INTO names (user_id, display_name, closings)");
    for (user, name) in names {
        let closings = kept.closings.get(&user).copied().unwrap_or_default();
        insert.row(&[user.get().into(), Value::Text(name), closings.into()]);
    }
    unit.insert(insert.on_duplicate(
        " ON DUPLICATE KEY UPDATE display_name = IF(closings = VALUES(closings), VALUES(display_name), display_name)",
    ));
}

/// Forgets the names of `users`, whose accounts are closed.
pub fn forget(unit: &mut Unit, users: &[UserId]) {
    let mut insert = BulkInsert::new("INSERT INTO names (user_id, display_name, closings)");
    for user in users {
        insert.row(&[user.get().into(), Value::Text(""), 1.into()]);
    }
    unit.insert(insert.on_duplicate(" ON DUPLICATE KEY UPDATE display_name = '', closings = closings + 1"));
}
