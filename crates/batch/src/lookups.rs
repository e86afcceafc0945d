//! Rows by their number. Look-ups that wait together share a query, which begins after the last of them came: each sees
//! whatever was committed before it was asked for.

use std::{collections::HashMap, error::Error, hash::Hash, sync::Arc};

use crate::batcher::{BatchError, Batcher};

/// Queries under way at once: one, and another if that one is stuck.
const QUERIES: usize = 2;

/// Looks rows of one kind up. Cheap to clone.
pub struct Lookups<K, V, E>(Batcher<K, Option<V>, E>);

impl<K, V, E> Clone for Lookups<K, V, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V, E> Lookups<K, V, E>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + 'static,
    E: Clone + Error + Send + 'static,
{
    /// Looks up, under `name`, at most `max_batch` rows at a time. `query` finds those that exist; `key` is what one is found by,
    /// `meets_all` is as in [`Batcher::start`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start<Q, F>(
        name: &'static str,
        max_batch: usize,
        key: fn(&V) -> K,
        meets_all: fn(&E) -> bool,
        query: Q,
    ) -> Self
    where
        Q: Fn(Arc<[K]>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<V>, E>> + Send + 'static,
    {
        Self(Batcher::start(
            name,
            max_batch,
            || QUERIES,
            meets_all,
            move |keys, _| {
                let found = query(Arc::clone(&keys));
                async move {
                    let found: HashMap<K, V> = found.await?.into_iter().map(|row| (key(&row), row)).collect();
                    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
                }
            },
        ))
    }

    /// The row `key`, if there is one.
    pub async fn find(&self, key: K) -> Result<Option<V>, BatchError<E>> {
        self.0.submit(key).await
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

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
        let by_number = |row: &(i64, String)| row.0;
        let lookups: Lookups<_, _, Infallible> = Lookups::start("numbers", 100, by_number, |_| true, even);
        let keys = [4, 1, 2, 4, 3];
        let found = futures::future::join_all(keys.map(|key| lookups.find(key))).await;
        let found: Vec<_> = found.into_iter().map(|row| row.unwrap().map(|(_, text)| text)).collect();
        assert_eq!(found, [Some("4".to_owned()), None, Some("2".to_owned()), Some("4".to_owned()), None]);
    }
}
