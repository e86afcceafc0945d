//! The codes of notification-service's own errors, beside those that any service may have.

pub use common::codes::*;

common::codes! {
    404 "notification_not_found" NOTIFICATION_NOT_FOUND "There is no such notification";
    409 "notification_not_failed" NOTIFICATION_NOT_FAILED "Only a notification that has failed can be sent again";
    409 "mail_refused" MAIL_REFUSED "The mail was refused for good; the reason stands in the notification";
    503 "mail_unavailable" MAIL_UNAVAILABLE "The mail cannot be sent at the moment; it stays pending";
}
