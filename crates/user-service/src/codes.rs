//! The codes of user-service's own errors, beside those that any service may have.

pub use common::codes::*;

common::codes! {
    400 "balance_limit" BALANCE_LIMIT "The account takes no more than its limit";
    401 "invalid_credentials" INVALID_CREDENTIALS "The e-mail address or the password is wrong";
    403 "topup_not_allowed" TOPUP_NOT_ALLOWED "You may not top up your own account here";
    403 "wrong_password" WRONG_PASSWORD "The current password is wrong";
    409 "email_taken" EMAIL_TAKEN "An account with this e-mail address exists already";
    409 "pending_transactions" PENDING_TRANSACTIONS "The account has pending transactions; settle them first";
    429 "too_many_attempts" TOO_MANY_ATTEMPTS "Too many failed logins: wait before the next one";
}
