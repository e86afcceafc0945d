//! What the access tokens of an account are known by.

use common::caller::account::Account;
use money::UserId;
use sqlx::{MySqlConnection, QueryBuilder};
use uuid::Uuid;

/// A key for the tokens of an account: random, so that a backup that is restored gives it to nobody else; never 0, which
/// accounts have that were opened before there were keys.
pub fn new_key() -> i64 {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    // the few fixed bits of either half are random in the other
    match (high ^ low).cast_signed() {
        0 => 1,
        key => key,
    }
}

/// Those of the accounts `ids` that exist, by id.
pub async fn accounts(conn: &mut MySqlConnection, ids: &[UserId]) -> sqlx::Result<Vec<Account>> {
    let mut query = QueryBuilder::new(
        "SELECT id, token_key AS `key`, COALESCE(version, 0) AS version, created_at, NOW(6) AS read_at, state
         FROM users JOIN accounts ON accounts.user_id = id LEFT JOIN revocations ON revocations.user_id = id
         WHERE closed_at IS NULL AND id IN ",
    );
    mysql::push_list(&mut query, ids.iter().copied());
    query.push(" ORDER BY id").build_query_as().fetch_all(conn).await
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_keys_are_the_same() {
        let keys: HashSet<i64> = (0..10_000).map(|_| new_key()).collect();
        assert_eq!(keys.len(), 10_000);
        let set = |bit: u32| keys.iter().filter(|key| (*key >> bit) & 1 == 1).count();
        assert!((0..64).all(|bit| (4_000..6_000).contains(&set(bit))), "a bit is not random");
    }
}
