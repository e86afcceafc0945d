//! Who is to be paid, as a request says it. Pure.

use money::{Email, UserId};
use serde::Serialize;
use serde_json::{Value, json};

use super::intent::NewTransaction;

/// Who is to be paid, in the words of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// By number.
    Id(UserId),
    /// By the address of the account, which may belong to another account later.
    Address(Email),
}

impl Receiver {
    /// The field that names the receiver by number.
    pub const ID: &str = "receiver_id";
    /// The field that names the receiver by address.
    pub const ADDRESS: &str = "receiver_email";

    /// What was asked for with `new`: for the fingerprint of the request, which must not change with the account that the address
    /// belongs to.
    pub fn asked<'a>(&self, new: &'a NewTransaction) -> Asked<'a> {
        let Self::Address(email) = self else { return Asked::ById(new) };
        let mut asked = json!(new);
        if let Some(members) = asked.as_object_mut() {
            members.remove(Self::ID);
            members.insert(Self::ADDRESS.to_owned(), json!(email));
            // of a payment with a fee the fee says it all: the receiver, who is first, gets the rest
            if let Some(shares) = members.get_mut("shares").and_then(Value::as_array_mut) {
                shares.remove(0);
            }
        }
        Asked::ByAddress(asked)
    }
}

/// What was asked for.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Asked<'a> {
    /// With the receiver's number.
    ById(&'a NewTransaction),
    /// With the receiver's address in its place.
    ByAddress(Value),
}

#[cfg(test)]
mod tests {
    use common::idempotency::fingerprint;

    use super::*;
    use crate::domain::transaction;

    fn new(receiver: i64) -> NewTransaction {
        NewTransaction {
            receiver_id: receiver.try_into().unwrap(),
            description: "Lunch".to_owned(),
            ..transaction::tests::new()
        }
    }

    #[test]
    fn a_request_is_known_by_the_address_that_it_names_and_not_by_whom_that_belongs_to() {
        let address = |email: &str| Receiver::Address(email.to_owned().try_into().unwrap());
        let (jane, john) = (address("jane@example.com"), address("john@example.com"));
        assert_eq!(fingerprint(&jane.asked(&new(2))), fingerprint(&jane.asked(&new(3))));
        assert_ne!(fingerprint(&jane.asked(&new(2))), fingerprint(&john.asked(&new(2))));
        let id = Receiver::Id(2.try_into().unwrap());
        assert_ne!(fingerprint(&id.asked(&new(2))), fingerprint(&jane.asked(&new(2))));
        // as requests have been known before there were addresses
        assert_eq!(fingerprint(&id.asked(&new(2))), fingerprint(&new(2)));
    }
}
