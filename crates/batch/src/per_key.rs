//! A lock for each key, with a value behind it. Those who want the same one queue in the order in which they came. A lock
//! that nobody holds or waits for takes no memory, and its value is forgotten.

use std::{
    collections::HashMap,
    hash::Hash,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex as StdMutex, PoisonError},
};

use tokio::sync::{Mutex, OwnedMutexGuard};

type Locks<K, V> = Arc<StdMutex<HashMap<K, Arc<Mutex<V>>>>>;

/// The locks. Cheap to clone.
#[derive(Debug)]
pub struct PerKey<K, V>(Locks<K, V>);

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct Held<K: Copy + Eq + Hash, V> {
    // dropped before its place, in this order
    value: OwnedMutexGuard<V>,
    _place: Place<K, V>,
}

/// Keeps a lock in the map while somebody holds it or waits for it.
#[derive(Debug)]
struct Place<K: Copy + Eq + Hash, V> {
    locks: Locks<K, V>,
    key: K,
    lock: Option<Arc<Mutex<V>>>,
}

impl<K, V> Clone for PerKey<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for PerKey<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Copy + Eq + Hash, V: Default> PerKey<K, V> {
    /// Waits for the lock of `key`.
    pub async fn lock(&self, key: K) -> Held<K, V> {
        let lock = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        let place = Place { locks: Arc::clone(&self.0), key, lock: Some(Arc::clone(&lock)) };
        Held { value: lock.lock_owned().await, _place: place }
    }
}

impl<K: Copy + Eq + Hash, V> Drop for Place<K, V> {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.lock.take());
        if locks.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.key);
        }
    }
}

impl<K: Copy + Eq + Hash, V> Deref for Held<K, V> {
    type Target = V;
    fn deref(&self) -> &V {
        &self.value
    }
}

impl<K: Copy + Eq + Hash, V> DerefMut for Held<K, V> {
    fn deref_mut(&mut self) -> &mut V {
        &mut self.value
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn one_key_is_held_once_and_the_others_are_free() {
        let locks: PerKey<i64, u32> = PerKey::default();
        let mut held = locks.lock(1).await;
        *held += 1;
        let _other = locks.lock(2).await;
        assert!(timeout(Duration::from_millis(20), locks.lock(1)).await.is_err(), "it is held");
        let waiting = tokio::spawn({
            let locks = locks.clone();
            async move { *locks.lock(1).await }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(waiting.await.unwrap(), 1, "whoever waited finds the value of the one before");
    }

    #[tokio::test]
    async fn a_lock_that_nobody_wants_is_forgotten() {
        let locks: PerKey<i64, u32> = PerKey::default();
        let held = locks.lock(1).await;
        let gave_up = timeout(Duration::from_millis(20), locks.lock(1)).await;
        assert!(gave_up.is_err());
        drop(held);
        assert!(locks.0.lock().unwrap().is_empty());
        let waiting = tokio::spawn({
            let locks = locks.clone();
            let held = locks.lock(1).await;
            async move {
                drop(held);
                *locks.lock(1).await += 1;
            }
        });
        waiting.await.unwrap();
        assert!(locks.0.lock().unwrap().is_empty());
        assert_eq!(*locks.lock(1).await, 0);
    }
}
