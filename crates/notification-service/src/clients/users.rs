//! user-service, as the keeper of addresses.

use std::collections::{BTreeSet, HashMap};

use common::client::{CallError, ServiceClient};
use fault::point;
use money::UserId;
use serde::Deserialize;

/// Whom a mail goes to.
#[derive(Debug, Clone, Deserialize)]
pub struct Recipient {
    id: UserId,
    pub email: String,
}

/// Looks users up.
#[derive(Clone)]
pub struct UserClient(ServiceClient);

impl UserClient {
    /// A client of user-service.
    pub fn new(service: ServiceClient) -> Self {
        Self(service)
    }

    /// The addresses of these users, 1 to 200 of them, in one call; whoever has no account is left out.
    pub async fn recipients(
        &self,
        ids: impl IntoIterator<Item = UserId>,
    ) -> Result<HashMap<UserId, Recipient>, CallError> {
        let distinct: BTreeSet<UserId> = ids.into_iter().collect();
        let ids: Vec<String> = distinct.iter().map(UserId::to_string).collect();
        let found: Vec<Recipient> =
            self.0.get(point!("call.recipients"), "/internal/users", &[("ids", ids.join(","))]).await?;
        Ok(found.into_iter().map(|recipient| (recipient.id, recipient)).collect())
    }
}
