//! user-service, as the keeper of addresses.

use common::{
    UserId,
    http::client::{CallError, ServiceClient},
};
use serde::Deserialize;

/// Whom a mail goes to.
#[derive(Debug, Deserialize)]
pub struct Recipient {
    pub full_name: String,
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

    /// The user's name and address; `None` if there is no such user.
    pub async fn recipient(&self, id: UserId) -> Result<Option<Recipient>, CallError> {
        match self.0.get(&format!("/internal/users/{id}"), &()).await {
            Ok(recipient) => Ok(Some(recipient)),
            Err(error) if error.has_code("user_not_found") => Ok(None),
            Err(error) => Err(error),
        }
    }
}
