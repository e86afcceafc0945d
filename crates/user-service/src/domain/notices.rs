//! What users are told of their accounts, whoever changed them.
//!
//! Each notice goes to the address that the account had when it happened: whoever has taken an account over and changes its
//! address, or closes it, does not get what is meant to warn its owner. No notice has an address, a name or a password in it.

use common::outbox::Event;
use money::{Amount, Money, UserId};
use uuid::Uuid;

/// The password is another one. `change` is its identity.
pub fn password_changed(user: UserId, address: String, change: Uuid) -> Event {
    let message = "The password of your account was changed. If it was not you, contact support at once.";
    Event::new(format!("password:{change}"), user, message.into()).by(user).at(address)
}

/// Mails go to another address from now on. `change` is its identity, `address` the old one.
pub fn address_changed(user: UserId, address: String, change: Uuid) -> Event {
    let message = "The e-mail address of your account was changed: this is the last mail to this one. If it was not you, \
                   contact support at once.";
    Event::new(format!("address:{change}"), user, message.into()).by(user).at(address)
}

/// Money went out.
pub fn debited(operation: i64, user: UserId, address: String, amount: Amount, currency: &str) -> Event {
    let message = format!("Debit of {} successful.", Money::from(amount).display(currency));
    Event::new(format!("operation:{operation}"), user, message).by(user).at(address)
}

/// Money came in.
pub fn topped_up(operation: i64, user: UserId, amount: Amount, currency: &str) -> Event {
    let message = format!("Top-up {} successful.", Money::from(amount).display(currency));
    Event::new(format!("operation:{operation}"), user, message).by(user)
}

/// The account is no more, and `paid_out` was paid out.
pub fn closed(user: UserId, address: String, paid_out: Money, currency: &str) -> Event {
    let rest = if paid_out == Money::ZERO {
        "There was nothing left to pay out.".to_owned()
    } else {
        format!("{} was paid out.", paid_out.display(currency))
    };
    let message = format!("Your account was closed. {rest} If it was not you, contact support at once.");
    Event::new(format!("user:{user}:closed"), user, message).by(user).at(address)
}
