//! user-service, as the one that knows who exists.

use common::client::{CallError, ServiceClient};
use fault::point;
use money::{Money, UserId};
use serde::Deserialize;

use crate::{
    codes,
    domain::{change::AsOf, entry::Entry, overview::WalletTotals},
};

/// Users on a page: as many as user-service gives.
const PAGE: u32 = common::page::MAX_LIMIT;

/// Operations on a page of entries.
const OPERATIONS: u32 = 2_000;
/// Names that are asked for at once: as many as user-service gives.
const MAX_NAMES: usize = 200;

#[derive(Deserialize)]
struct User {
    id: UserId,
}

#[derive(Deserialize)]
struct Named {
    full_name: String,
}

#[derive(Deserialize)]
struct Totals {
    users: i64,
    money: Money,
}

#[derive(Deserialize)]
struct Name {
    id: UserId,
    display_name: String,
}

/// A page of the ledger's entries.
#[derive(Debug, Deserialize)]
pub struct EntryPage {
    /// In the order of the ledger.
    pub entries: Vec<Entry>,
    /// Whose accounts were closed.
    pub closed: Vec<UserId>,
    /// The next page begins after this operation. Entries of later ones come again.
    pub position: i64,
    /// True if there are no more for now.
    pub is_end: bool,
    /// True if the next page begins before the end of this one.
    #[serde(default)]
    pub is_held_up: bool,
    /// True if user-service has served many others since the page before.
    pub is_serving: bool,
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

    /// What a user is called in full; `None` if there is no such user.
    pub async fn full_name(&self, id: UserId) -> Result<Option<String>, CallError> {
        match self.0.get::<Named>(point!("call.full_name"), &format!("/internal/users/{id}"), &()).await {
            Ok(user) => Ok(Some(user.full_name)),
            Err(error) if error.has_code(codes::USER_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What all accounts have together; `None` of a version that does not say of which moment that is.
    pub async fn totals(&self) -> Result<Option<WalletTotals>, CallError> {
        let (Totals { users, money }, moment) =
            self.0.get_as_of(point!("call.totals"), "/internal/totals", &()).await?;
        Ok(moment.map(|true_at| WalletTotals { users, money, true_at }))
    }

    /// The entries of the operations after this one, and the moment before which all that was committed is on this page or those
    /// before, if it has come further.
    pub async fn entries(&self, after: i64) -> Result<AsOf<EntryPage>, CallError> {
        let query = [("after", after.to_string()), ("limit", OPERATIONS.to_string())];
        self.0.get_as_of(point!("call.entries"), "/internal/entries", &query).await
    }

    /// The display names of those of `users` that have an account.
    pub async fn names(&self, users: &[UserId]) -> Result<Vec<(UserId, String)>, CallError> {
        let mut names = Vec::with_capacity(users.len());
        for users in users.chunks(MAX_NAMES) {
            let ids = users.iter().map(UserId::to_string).collect::<Vec<_>>().join(",");
            let found: Vec<Name> = self.0.get(point!("call.names"), "/internal/names", &[("ids", ids)]).await?;
            names.extend(found.into_iter().map(|name| (name.id, name.display_name)));
        }
        Ok(names)
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
