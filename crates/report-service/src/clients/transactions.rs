//! transaction-service, as the source of transactions.

use chrono::SecondsFormat;
use common::client::{CallError, ServiceClient};
use fault::point;
use money::{TransactionId, UserId};

use crate::{
    codes,
    domain::change::{AsOf, Change, Position},
};

/// Transactions on a page: more take more memory and no less time.
pub const PAGE: usize = 500;
/// Transactions that can be asked for by id at once: as many as transaction-service gives.
pub const MAX_IDS: usize = 1000;

/// Reads transactions.
#[derive(Clone)]
pub struct TransactionClient(ServiceClient);

impl TransactionClient {
    /// A client of transaction-service.
    pub fn new(service: ServiceClient) -> Self {
        Self(service)
    }

    /// The transaction `id`; `None` if there is none.
    pub async fn find(&self, id: TransactionId) -> Result<Option<Change>, CallError> {
        match self.0.get(point!("call.transaction"), &format!("/internal/transactions/{id}"), &()).await {
            Ok(change) => Ok(Some(change)),
            Err(error) if error.has_code(codes::TRANSACTION_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of changes after `position`. A page that is not full is the last.
    pub async fn changes(&self, position: Position) -> Result<Vec<Change>, CallError> {
        let query = [
            ("since", position.changed_at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            ("after_id", position.id.to_string()),
            ("limit", PAGE.to_string()),
        ];
        self.0.get(point!("call.changes"), "/internal/transactions", &query).await
    }

    /// The newest change that shows at a moment; `None` if there are no transactions.
    pub async fn newest(&self) -> Result<AsOf<Option<Change>>, CallError> {
        self.0.get_as_of(point!("call.newest"), "/internal/transactions/newest", &()).await
    }

    /// At most `limit` transactions of `user` with an id below `before`, newest first. Fewer are the last. The first page names
    /// the moment at which it was true.
    pub async fn of_user(
        &self,
        user: UserId,
        before: Option<TransactionId>,
        limit: usize,
    ) -> Result<AsOf<Vec<Change>>, CallError> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(before.map(|id| ("before_id", id.to_string())));
        self.0.get_as_of(point!("call.of_user"), &format!("/internal/transactions/user/{user}"), &query).await
    }

    /// The transactions `ids`, at most [`MAX_IDS`].
    pub async fn batch(&self, ids: &[TransactionId]) -> Result<Vec<Change>, CallError> {
        let ids = ids.iter().map(TransactionId::to_string).collect::<Vec<_>>().join(",");
        self.0.get(point!("call.batch"), "/internal/transactions/batch", &[("ids", ids)]).await
    }
}
