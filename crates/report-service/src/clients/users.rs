//! user-service, as the one that knows who exists.

use common::client::{CallError, ServiceClient};
use fault::point;
use money::{Money, UserId};
use serde::Deserialize;

use crate::{codes, domain::overview::WalletTotals};

/// Users on a page: as many as user-service gives.
const PAGE: u32 = common::page::MAX_LIMIT;

#[derive(Deserialize)]
struct User {
    id: UserId,
}

#[derive(Deserialize)]
struct Totals {
    users: i64,
    money: Money,
}

/// Looks users up.
#[derive(Clone)]
pub struct UserClient(ServiceClient);

impl UserClient {
    /// A client of user-service.
    pub fn new(service: ServiceClient) -> Self {
        Self(service)
    }

    /// True if there is such a user.
    pub async fn exists(&self, id: UserId) -> Result<bool, CallError> {
        match self.0.get::<User>(point!("call.user"), &format!("/internal/users/{id}"), &()).await {
            Ok(_) => Ok(true),
            Err(error) if error.has_code(codes::USER_NOT_FOUND) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What all accounts have together; `None` of a version that does not say of which moment that is.
    pub async fn totals(&self) -> Result<Option<WalletTotals>, CallError> {
        let (Totals { users, money }, moment) =
            self.0.get_as_of(point!("call.totals"), "/internal/totals", &()).await?;
        Ok(moment.map(|true_at| WalletTotals { users, money, true_at }))
    }

    /// The users after `cursor` by id; an empty page is the end.
    pub async fn page_after(&self, cursor: Option<UserId>) -> Result<Vec<UserId>, CallError> {
        let limit = ("limit", PAGE.to_string());
        let query = match cursor {
            Some(id) => vec![limit, ("cursor", id.to_string())],
            None => vec![limit],
        };
        let users: Vec<User> = self.0.get(point!("call.users"), "/internal/users", &query).await?;
        Ok(users.into_iter().map(|user| user.id).collect())
    }
}
