//! Whether the database server keeps what it has confirmed.

use crate::{config::DatabaseConfig, pool::pool};

/// The settings by which the server may lose what it has confirmed, as `name=value` that it should have.
pub async fn weak_settings(config: &DatabaseConfig) -> sqlx::Result<Vec<String>> {
    let pool = pool(config);
    let settings: Vec<(String, String)> = sqlx::query_as(
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN
         ('innodb_flush_log_at_trx_commit', 'innodb_doublewrite', 'log_bin', 'sync_binlog')",
    )
    .fetch_all(&pool)
    .await?;
    pool.close().await;
    Ok(weak(&settings))
}

fn weak(settings: &[(String, String)]) -> Vec<String> {
    let is = |name: &str, values: &[&str]| {
        settings.iter().any(|(known, value)| known == name && values.iter().any(|v| v.eq_ignore_ascii_case(value)))
    };
    let mut weak = Vec::new();
    if is("innodb_flush_log_at_trx_commit", &["0", "2"]) {
        weak.push("innodb_flush_log_at_trx_commit=1".to_owned());
    }
    if is("innodb_doublewrite", &["OFF", "0", "DETECT_ONLY"]) {
        weak.push("innodb_doublewrite=ON".to_owned());
    }
    if is("log_bin", &["ON", "1"]) && !is("sync_binlog", &["1"]) {
        weak.push("sync_binlog=1".to_owned());
    }
    weak
}

#[cfg(test)]
mod tests {
    fn weak(settings: &[(&str, &str)]) -> Vec<String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        super::weak(&settings.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_may_lose_a_confirmed_payment_is_named() {
        let safe = [("innodb_flush_log_at_trx_commit", "1"), ("innodb_doublewrite", "ON"), ("log_bin", "OFF")];
        assert_eq!(weak(&safe), Vec::<String>::new());
        assert_eq!(weak(&[("innodb_flush_log_at_trx_commit", "2")]), ["innodb_flush_log_at_trx_commit=1"]);
        assert_eq!(weak(&[("innodb_doublewrite", "DETECT_ONLY")]), ["innodb_doublewrite=ON"]);
        assert_eq!(weak(&[("log_bin", "ON"), ("sync_binlog", "0")]), ["sync_binlog=1"]);
        assert_eq!(weak(&[("log_bin", "ON"), ("sync_binlog", "1")]), Vec::<String>::new());
    }
}
