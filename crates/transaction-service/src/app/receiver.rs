//! Finding who is to be paid.

use std::time::Duration;

use common::{ApiError, Result, caller::Caller};
use money::{Email, UserId};

use super::transfers::Transfers;
use crate::{clients::Found, codes, domain::receiver::Receiver, store::transactions as store};

impl Transfers {
    /// The account with the address `email`, which `caller` asks to pay with the request `identity`, if it has one. A request that
    /// was made before is about the account that the address belonged to then.
    pub async fn receiver(&self, email: &Email, caller: Caller, identity: Option<String>) -> Result<UserId> {
        if let Some(identity) = identity {
            let known = store::find_request(&mut *self.0.pool.acquire().await?, &identity).await?;
            if let Some(known) = known {
                return Ok(known.receiver_id);
            }
        }
        match self.0.users.receiver(email, caller.only_user()).await? {
            Found { retry_after: Some(seconds), .. } => {
                Err(ApiError::new(codes::RATE_LIMITED).retry_after(Duration::from_secs(seconds)))
            }
            Found { id: Some(id), .. } => Ok(id),
            Found { id: None, .. } => {
                Err(ApiError::new(codes::USER_NOT_FOUND).field(Receiver::ADDRESS, "belongs to no account"))
            }
        }
    }
}
