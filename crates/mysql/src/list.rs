//! Lists in an IN.

use sqlx::{MySql, QueryBuilder};

/// Appends `(a, b, …)` for an IN. The list is padded to a power of two by repeating its last item, so that lists of all
/// lengths share a few prepared statements.
pub fn push_list<T>(query: &mut QueryBuilder<MySql>, items: impl IntoIterator<Item = T>)
where
    T: Clone + for<'q> sqlx::Encode<'q, MySql> + sqlx::Type<MySql>,
{
    let mut items: Vec<T> = items.into_iter().collect();
    let last = items.last().expect("an IN needs an item").clone();
    items.resize(items.len().next_power_of_two(), last);
    query.push("(");
    let mut list = query.separated(", ");
    for item in items {
        list.push_bind(item);
    }
    query.push(")");
}
