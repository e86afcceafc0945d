//! Lists that look at a bounded number of rows, however many there are and however few of them pass a filter. A page that
//! has looked at all that it may is answered as far as it has come, and its `Link` goes on from there.

use money::time::Period;
use sqlx::{FromRow, MySql, MySqlConnection, QueryBuilder, Row, mysql::MySqlRow};

use crate::list::push_list;

/// Index entries that one page looks at, at most, in each range of an index that it reads.
pub const MOST_LOOKED_AT: u32 = 1_000;
/// How much further each step of a page looks than all before it.
const GROWTH: u32 = 4;

/// In which order a list comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By id, the highest first.
    NewestFirst,
    /// By id, the lowest first.
    OldestFirst,
}

/// Appends a condition to a query.
pub type Condition<'a> = &'a (dyn Fn(&mut QueryBuilder<MySql>) + Sync);

/// Appends the condition that a row was created within `period`.
pub fn push_created_within(query: &mut QueryBuilder<MySql>, period: Period) {
    if let Some(from) = period.from {
        query.push(" AND created_at >= ").push_bind(from);
    }
    if let Some(to) = period.to {
        query.push(" AND created_at < ").push_bind(to);
    }
}

/// One range of an index, in the order of the ids.
pub struct Scan<'a, T> {
    /// The columns that make a `T`.
    pub columns: &'a str,
    /// The table.
    pub table: &'a str,
    /// The index that has the range in the order of the ids. It is named, because a server that takes another one sorts.
    pub index: &'a str,
    /// Appends the condition of the range.
    pub range: Condition<'a>,
    /// Appends the condition of what is shown, which is true or false for each row.
    pub filter: Condition<'a>,
    /// The order of the list.
    pub order: Order,
    /// A row's id.
    pub id: fn(&T) -> i64,
}

/// What was found of a list from its beginning, or a cursor, on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch<T> {
    /// The rows to show, in order.
    pub items: Vec<T>,
    /// The last id that was looked at; `None` if there are no more.
    pub reached: Option<i64>,
}

impl<T> Scan<'_, T>
where
    T: for<'r> FromRow<'r, MySqlRow> + Send + Unpin,
{
    /// At most `rows` rows behind `cursor`. It looks at [`MOST_LOOKED_AT`] at most.
    pub async fn read(&self, conn: &mut MySqlConnection, cursor: Option<i64>, rows: u32) -> sqlx::Result<Stretch<T>> {
        let rows = rows.min(MOST_LOOKED_AT);
        let wanted = rows as usize;
        let first = self.look_at(conn, self.columns, cursor, rows).await?;
        let (mut looked_at, mut is_over) = (rows, first.len() < wanted);
        let (mut items, mut last) = (Vec::new(), cursor);
        for row in &first {
            let item = T::from_row(row)?;
            last = Some((self.id)(&item));
            items.extend(passes(row)?.then_some(item));
        }
        // most lists are full by now; if few rows pass the filter, only their ids are read until it is known which do
        while items.len() < wanted && looked_at < MOST_LOOKED_AT && !is_over {
            let step = (looked_at * GROWTH).min(MOST_LOOKED_AT - looked_at);
            let entries = self.look_at(conn, "id", last, step).await?;
            (looked_at, is_over) = (looked_at + step, entries.len() < step as usize);
            let mut passing = Vec::new();
            for entry in &entries {
                if items.len() + passing.len() == wanted {
                    is_over = false;
                    break;
                }
                let id = entry.try_get("id")?;
                last = Some(id);
                passing.extend(passes(entry)?.then_some(id));
            }
            items.extend(self.find(conn, &passing).await?);
        }
        Ok(Stretch { items, reached: last.filter(|_| !is_over) })
    }

    /// The next `count` rows, and whether each is shown.
    async fn look_at(
        &self,
        conn: &mut MySqlConnection,
        columns: &str,
        after: Option<i64>,
        count: u32,
    ) -> sqlx::Result<Vec<MySqlRow>> {
        let (comparison, from, order) = match self.order {
            Order::NewestFirst => ("id < ", i64::MAX, "DESC"),
            Order::OldestFirst => ("id > ", 0, "ASC"),
        };
        let mut query = QueryBuilder::new(format!("SELECT {columns}, ("));
        (self.filter)(&mut query);
        query.push(format_args!(") AS passes FROM {} FORCE INDEX ({}) WHERE ", self.table, self.index));
        (self.range)(&mut query);
        query.push(" AND ").push(comparison).push_bind(after.unwrap_or(from));
        query.push(format_args!(" ORDER BY id {order} LIMIT ")).push_bind(count);
        query.build().fetch_all(conn).await
    }

    /// The rows of the range with these ids, in their order, as long as they still pass the filter.
    pub async fn find(&self, conn: &mut MySqlConnection, ids: &[i64]) -> sqlx::Result<Vec<T>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(format!("SELECT {} FROM {} WHERE ", self.columns, self.table));
        (self.range)(&mut query);
        query.push(" AND id IN ");
        push_list(&mut query, ids.iter().copied());
        query.push(" AND (");
        (self.filter)(&mut query);
        query.push(")");
        let mut rows: Vec<T> = query.build_query_as().fetch_all(conn).await?;
        rows.sort_by_key(|row| ids.iter().position(|id| *id == (self.id)(row)));
        Ok(rows)
    }
}

fn passes(row: &MySqlRow) -> sqlx::Result<bool> {
    Ok(row.try_get::<i64, _>("passes")? != 0)
}

impl<T> Stretch<T> {
    /// Ranges of one list, each newest first, as one of at most `rows` rows. It goes as far as the range that has come
    /// the least far: behind that, rows of that range may be missing.
    pub fn merge(stretches: impl IntoIterator<Item = Self>, rows: u32, id: impl Fn(&T) -> i64) -> Self {
        let (mut items, mut reached) = (Vec::new(), None);
        for stretch in stretches {
            items.extend(stretch.items);
            reached = reached.max(stretch.reached);
        }
        items.retain(|item| id(item) >= reached.unwrap_or(i64::MIN));
        items.sort_by_key(|item| std::cmp::Reverse(id(item)));
        Self { items, reached }.truncate(rows, id)
    }

    /// At most `rows` of the rows.
    #[must_use]
    pub fn truncate(mut self, rows: u32, id: impl Fn(&T) -> i64) -> Self {
        if self.items.len() > rows as usize {
            self.items.truncate(rows as usize);
            self.reached = self.items.last().map(id);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(items: &[i64], reached: Option<i64>) -> Stretch<i64> {
        Stretch { items: items.to_vec(), reached }
    }

    #[test]
    fn ranges_of_one_list_go_as_far_as_all_of_them_are_known() {
        for (sent, received, merged) in [
            (stretch(&[9, 7], None), stretch(&[8, 2], None), stretch(&[9, 8, 7, 2], None)),
            (stretch(&[9, 7], Some(5)), stretch(&[8, 2], None), stretch(&[9, 8, 7], Some(5))),
            (stretch(&[9, 7], Some(5)), stretch(&[8, 6], Some(6)), stretch(&[9, 8, 7, 6], Some(6))),
            (stretch(&[], Some(5)), stretch(&[4], None), stretch(&[], Some(5))),
            (stretch(&[9, 8, 7, 6, 5], Some(5)), stretch(&[], None), stretch(&[9, 8, 7, 6], Some(6))),
        ] {
            assert_eq!(Stretch::merge([sent.clone(), received.clone()], 4, |id| *id), merged);
            assert_eq!(Stretch::merge([received, sent], 4, |id| *id), merged);
        }
    }
}
