//! Rows by their number. Look-ups that wait together share a query, which begins after the last of them came: each sees
//! whatever was committed before it was asked for.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use crate::{
    db::DbError,
    group_commit::{GroupCommit, GroupError},
};

/// Queries under way at once: one, and another if that one is stuck.
const QUERIES: usize = 2;

/// Looks rows of one kind up. Cheap to clone.
pub struct Lookups<K, V>(GroupCommit<K, Option<V>>);

impl<K, V> Clone for Lookups<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Lookups<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    /// Looks up, under `name`, at most `max_batch` rows at a time. `query` finds those that exist; `key` is what one is found by.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start<Q, F>(name: &'static str, max_batch: usize, key: fn(&V) -> K, query: Q) -> Self
    where
        Q: Fn(Arc<[K]>) -> F + Send + Sync + 'static,
        F: Future<Output = sqlx::Result<Vec<V>>> + Send + 'static,
    {
        Self(GroupCommit::start(name, max_batch, QUERIES, move |keys, _| {
            let found = query(Arc::clone(&keys));
            async move {
                let found: HashMap<K, V> = found.await?.into_iter().map(|row| (key(&row), row)).collect();
                Ok::<_, DbError>(keys.iter().map(|key| found.get(key).cloned()).collect())
            }
        }))
    }

    /// The row `key`, if there is one.
    pub async fn find(&self, key: K) -> Result<Option<V>, GroupError> {
        self.0.submit(key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_gets_its_own_row_or_none_whoever_else_asks_for_it() {
        // there are rows of even number only, and they come in another order than they are asked for
        let even = |keys: Arc<[i64]>| async move {
            let mut found: Vec<(i64, String)> =
                keys.iter().filter(|n| **n % 2 == 0).map(|n| (*n, n.to_string())).collect();
            found.reverse();
            Ok(found)
        };
        let lookups = Lookups::start("numbers", 100, |row: &(i64, String)| row.0, even);
        let keys = [4, 1, 2, 4, 3];
        let found = futures::future::join_all(keys.map(|key| lookups.find(key))).await;
        let found: Vec<_> = found.into_iter().map(|row| row.unwrap().map(|(_, text)| text)).collect();
        assert_eq!(found, [Some("4".to_owned()), None, Some("2".to_owned()), Some("4".to_owned()), None]);
    }
}
