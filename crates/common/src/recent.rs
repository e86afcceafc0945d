//! Values that are kept for as long as they are asked for, more or less, in bounded memory.

use std::{borrow::Borrow, collections::HashMap, hash::Hash, mem};

/// Two halves: what nobody set again while the young one filled goes with the old one.
#[derive(Debug)]
pub struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// None yet, and `most` at most.
    pub fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most }
    }

    /// The value of `key`, unless it was forgotten.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Keeps `value` for `key`.
    pub fn set(&mut self, key: K, value: V) {
        if self.young.len() >= self.most / 2 && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Forgets the value of `key`.
    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_anew_is_forgotten_and_no_more_than_the_most_are_kept() {
        let mut recent = Recent::new(10);
        for n in 0..100 {
            recent.set(n, n);
            recent.set(0, n);
            assert!(recent.young.len() + recent.old.len() <= 10);
            assert_eq!((recent.get(&n), recent.get(&0)), (Some(&if n == 0 { 0 } else { n }), Some(&n)));
        }
        assert_eq!((recent.get(&90), recent.get(&97)), (None, Some(&97)));
        recent.remove(&97);
        assert_eq!(recent.get(&97), None);
    }
}
