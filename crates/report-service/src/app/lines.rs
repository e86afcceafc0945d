//! Stand-in until the feed is merged.

use common::Result;
use money::UserId;

use super::sync::Sync;
use crate::domain::{entry::Entry, statement::Line};

impl Sync {
    pub(super) async fn name_of(&self, _: UserId) -> Result<String> {
        Ok("Ani Putri".to_owned())
    }

    pub(super) async fn display_name(&self, _: UserId) -> Result<String> {
        Ok("Ani P.".to_owned())
    }

    pub(super) async fn lines(&self, entries: Vec<Entry>) -> Result<Vec<Line>> {
        Ok(entries
            .into_iter()
            .map(|entry| Line { counterparty: entry.counterparty_id.map(|_| "Jane D.".to_owned()), entry })
            .collect())
    }
}
