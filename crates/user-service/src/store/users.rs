//! Accounts. A closed account is as if it were not there.

use batch::Lookups;
use chrono::{DateTime, Utc};
use common::{caller::AccountState, origin::Origin, outbox};
use money::{Money, UserId};
use mysql::row;
use mysql::scan::{Order, Scan, Stretch};
use mysql::{DbError, Unit};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::{MySql, MySqlConnection, MySqlPool, QueryBuilder};
use uuid::Uuid;

use super::{revocations, tokens};
use crate::domain::facts;

row! {
    /// An active account as others may see it.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    #[schemars(example = json!({"id": 1, "full_name": "John Doe", "email": "john@example.com", "balance": 50_000, "state": "active"}))]
    pub struct User {
        /// The account's number.
        pub id: UserId,
        /// The user's name.
        pub full_name: String,
        /// The address for login and mail.
        pub email: String,
        /// What the user can spend.
        pub balance: Money,
        /// What is set aside for pending transactions.
        #[serde(skip)]
        pub held: Money,
        /// Whether it sends and receives.
        pub state: AccountState,
    }
}

row! {
    /// What login needs to know of an account.
    pub struct Credentials {
        pub id: UserId,
        pub full_name: String,
        pub email: String,
        /// `None` if nobody logs in to it.
        pub password_hash: Option<String>,
        /// What the tokens that the account gets now carry.
        pub token_key: i64,
        pub token_version: i32,
        /// Nobody logs in to a locked one.
        pub state: AccountState,
        /// The moment of this look, on the database's clock: by it tokens are dated, like the revocations that end them.
        pub read_at: DateTime<Utc>,
    }
}

/// What may be changed of an account; `None` leaves it as it is.
pub struct Changes {
    pub full_name: Option<String>,
    pub email: Option<String>,
    pub password_hash: Option<String>,
    /// The hash of the password that was shown for it, if one was.
    pub proven: Option<String>,
    /// The identity of this change, also if it has to be made twice, and who asks for it.
    pub id: Uuid,
    pub origin: Origin,
}

/// What is stored in place of a password's hash where there is no password: no password has it, and the version before reads
/// it as the hash of none.
const NO_PASSWORD: &str = "";

/// Opens an account, whose tokens carry `key`, and returns its number; `None` if the address is taken.
pub async fn insert(
    conn: &mut MySqlConnection,
    full_name: &str,
    email: &str,
    password_hash: Option<&str>,
    key: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<UserId>> {
    let written = sqlx::query(
        "INSERT INTO users (full_name, email, password_hash, token_key, created_at, updated_at)
         VALUES (?, ?, ?, ?, NOW(6), ?)",
    )
    .bind(full_name)
    .bind(email)
    .bind(password_hash.unwrap_or(NO_PASSWORD))
    .bind(key)
    .bind(now)
    .execute(&mut *conn)
    .await;
    match written {
        Ok(written) => {
            let id = i64::try_from(written.last_insert_id()).expect("ids fit BIGINT");
            sqlx::query("INSERT INTO accounts (user_id) VALUES (?)").bind(id).execute(conn).await?;
            Ok(Some(UserId::try_from(id).expect("generated ids are positive")))
        }
        // after an unknown commit the second run finds what the first one did: no other account has this key
        Err(error) if mysql::is_duplicate(&error) => {
            sqlx::query_scalar("SELECT id FROM users WHERE email = ? AND token_key = ?")
                .bind(email)
                .bind(key)
                .fetch_optional(conn)
                .await
        }
        Err(error) => Err(error),
    }
}

/// The account `id`.
pub async fn find(conn: &mut MySqlConnection, id: UserId) -> sqlx::Result<Option<User>> {
    Ok(find_all(conn, &[id]).await?.pop())
}

/// Those of the accounts `ids` that exist, by id.
pub async fn find_all(conn: &mut MySqlConnection, ids: &[UserId]) -> sqlx::Result<Vec<User>> {
    let mut query = QueryBuilder::new(
        "SELECT id, full_name, email, available AS balance, held, state FROM users JOIN accounts ON user_id = id
         WHERE closed_at IS NULL AND id IN ",
    );
    mysql::push_list(&mut query, ids.iter().copied());
    query.push(" ORDER BY id").build_query_as().fetch_all(conn).await
}

/// The names of those of the accounts `ids` that exist, by id.
pub async fn names(conn: &mut MySqlConnection, ids: &[UserId]) -> sqlx::Result<Vec<(UserId, String)>> {
    let mut query = QueryBuilder::new("SELECT id, full_name FROM users WHERE closed_at IS NULL AND id IN ");
    mysql::push_list(&mut query, ids.iter().copied());
    query.push(" ORDER BY id").build_query_as().fetch_all(conn).await
}

/// Active accounts by id, for requests that share queries.
pub type Accounts = Lookups<UserId, User, DbError>;

/// Looks accounts up in `pool`, at most `max_batch` in one query.
pub fn accounts(pool: MySqlPool, max_batch: usize) -> Accounts {
    Lookups::start(
        "accounts",
        max_batch,
        |user: &User| user.id,
        DbError::is_unavailable,
        move |ids| {
            let pool = pool.clone();
            async move { Ok(find_all(&mut *pool.acquire().await?, &ids).await?) }
        },
    )
}

/// The accounts after `cursor` by id, at most `rows`; only `only` if that is given.
pub async fn list(
    conn: &mut MySqlConnection,
    only: Option<UserId>,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<User>> {
    let range = |query: &mut QueryBuilder<MySql>| match only {
        Some(user) => _ = query.push("id = ").push_bind(user),
        None => _ = query.push("TRUE"),
    };
    let scan = Scan {
        columns: "id",
        table: "users",
        index: "PRIMARY",
        range: &range,
        filter: &|query| _ = query.push("closed_at IS NULL"),
        order: Order::OldestFirst,
        id: |(id,): &(UserId,)| id.get(),
    };
    let Stretch { items, reached } = scan.read(conn, cursor, rows).await?;
    let ids: Vec<UserId> = items.into_iter().map(|(id,)| id).collect();
    let items = if ids.is_empty() { Vec::new() } else { find_all(conn, &ids).await? };
    Ok(Stretch { items, reached })
}

/// The account with this address, for login.
pub async fn credentials(conn: &mut MySqlConnection, email: &str) -> sqlx::Result<Option<Credentials>> {
    // in one statement: whoever logs in with an old password gets a token of the old version and from before its end
    sqlx::query_as(
        "SELECT id, full_name, email, NULLIF(password_hash, '') AS password_hash, token_key,
                COALESCE(version, 0) AS token_version, state, NOW(6) AS read_at
         FROM users JOIN accounts ON accounts.user_id = id LEFT JOIN revocations ON revocations.user_id = id
         WHERE email = ? AND closed_at IS NULL",
    )
    .bind(email)
    .fetch_optional(conn)
    .await
}

/// Replaces the hash `old`; nothing happens if the password was changed meanwhile.
pub async fn rehash(conn: &mut MySqlConnection, id: UserId, old: &str, new: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?")
        .bind(new)
        .bind(id)
        .bind(old)
        .execute(conn)
        .await?;
    Ok(())
}

/// What became of changes to an account.
pub enum Updated {
    /// They are made.
    Done(User),
    /// There is no such account, or no longer.
    NotFound,
    /// Another account has the address.
    EmailTaken,
    /// The password is another one than was shown.
    Unproven,
}

/// Address and password hash of an active account; `None` for the hash if nobody logs in to it.
pub async fn secrets(conn: &mut MySqlConnection, id: UserId) -> sqlx::Result<Option<(String, Option<String>)>> {
    sqlx::query_as("SELECT email, NULLIF(password_hash, '') FROM users WHERE id = ? AND closed_at IS NULL")
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// Changes an active account. A new password ends all tokens that it has; the address until now is notified of it, and of
/// another address.
pub async fn update(unit: &mut Unit, id: UserId, changes: &Changes, now: DateTime<Utc>) -> sqlx::Result<Updated> {
    let before: Option<(String, String)> =
        sqlx::query_as("SELECT email, password_hash FROM users WHERE id = ? AND closed_at IS NULL FOR UPDATE")
            .bind(id)
            .fetch_optional(unit.conn().await?)
            .await?;
    let Some((address, hash)) = before else { return Ok(Updated::NotFound) };
    // after an unknown commit the second run finds what the first one did: no other hash has the new one's salt
    let is_ours = |proven: &String| *proven == hash || changes.password_hash.as_ref() == Some(&hash);
    if !changes.proven.as_ref().is_none_or(is_ours) {
        return Ok(Updated::Unproven);
    }
    let new_key = changes.password_hash.as_ref().map(|_| tokens::new_key());
    let changed = sqlx::query(
        "UPDATE users SET full_name = COALESCE(?, full_name), email = COALESCE(?, email),
                password_hash = COALESCE(?, password_hash), token_key = COALESCE(?, token_key), updated_at = ?
         WHERE id = ? AND closed_at IS NULL",
    )
    .bind(&changes.full_name)
    .bind(&changes.email)
    .bind(&changes.password_hash)
    .bind(new_key)
    .bind(now)
    .bind(id)
    .execute(unit.conn().await?)
    .await;
    match changed {
        Ok(_) => {
            let Some(user) = find(unit.conn().await?, id).await? else { return Ok(Updated::NotFound) };
            let mut facts = Vec::new();
            if changes.password_hash.is_some() {
                revocations::revoke(unit, id).await?;
                facts.push(facts::password_changed(id, address.clone(), changes.id, &changes.origin));
            }
            if user.email != address {
                facts.push(facts::email_changed(id, address, changes.id, &changes.origin));
            }
            outbox::write(unit, &facts);
            Ok(Updated::Done(user))
        }
        Err(error) if mysql::is_duplicate(&error) => Ok(Updated::EmailTaken),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use lab::{database::database, plan::within};
    use money::time;
    use mysql::bulk::BulkInsert;

    use super::*;

    /// Accounts in the table.
    const ACCOUNTS: usize = 4_000;
    /// The entry of the index, the user and the account.
    const ROWS_OF_A_USER: i64 = 3;

    /// Fails if the query sorts, or reads more than each user with its account.
    async fn costs_its_rows(
        conn: &mut MySqlConnection,
        rows: usize,
        query: impl AsyncFnOnce(&mut MySqlConnection) -> sqlx::Result<Vec<User>>,
    ) {
        let most = i64::try_from(rows).unwrap() * ROWS_OF_A_USER;
        assert_eq!(within(conn, "a list", most, query).await.len(), rows);
    }

    #[tokio::test]
    async fn a_list_of_accounts_costs_its_rows() {
        let database = database().await;
        let pool = mysql::pool(&mysql::DatabaseConfig::at(&database.url(), 8).unwrap());
        mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let mut accounts =
            BulkInsert::new("INSERT INTO users (full_name, email, password_hash, created_at, updated_at)");
        for n in 1..=ACCOUNTS {
            let email = format!("{n}@example.com");
            accounts.row(&[
                "John Doe".into(),
                email.as_str().into(),
                "".into(),
                time::now().into(),
                time::now().into(),
            ]);
        }
        accounts.execute(&mut conn).await.unwrap();
        sqlx::raw_sql("INSERT INTO accounts (user_id) SELECT id FROM users").execute(&mut *conn).await.unwrap();
        sqlx::raw_sql("ANALYZE TABLE users, accounts").execute(&mut *conn).await.unwrap();

        let id = |n: i64| UserId::try_from(n).unwrap();
        let ids: Vec<UserId> = (1..=50).map(|n| id(n * 70)).collect();
        costs_its_rows(&mut conn, 50, async |conn| find_all(conn, &ids).await).await;
        costs_its_rows(&mut conn, 50, async |conn| Ok(list(conn, None, None, 50).await?.items)).await;
        costs_its_rows(&mut conn, 50, async |conn| Ok(list(conn, None, Some(2_000), 50).await?.items)).await;
        costs_its_rows(&mut conn, 1, async |conn| Ok(list(conn, Some(id(3_000)), None, 50).await?.items)).await;
    }
}
