//! The codes that an error can have. `docs/errors.md` says what each means and what to do about it.

use axum::http::StatusCode;

/// Makes an enum of the codes from a table of status, code and sentence.
macro_rules! codes {
    ($($status:literal $name:literal $variant:ident $message:literal;)*) => {
        /// What went wrong, as a word that stays the same: the `code` of an error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the table says it")]
        pub enum Code {
            $($variant,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            const fn row(self) -> (u16, &'static str, &'static str) {
                match self {
                    $(Self::$variant => ($status, $name, $message),)*
                }
            }
        }
    };
}

codes! {
    400 "malformed_request" MalformedRequest "This is no HTTP request that can be understood";
    400 "malformed_body" MalformedBody "The body could not be read";
    400 "malformed_json" MalformedJson "The body is not valid JSON";
    400 "invalid_body" InvalidBody "The body must be a JSON object with this route's fields";
    400 "unknown_field" UnknownField "The request has a field that this route does not know";
    400 "missing_field" MissingField "A required field is missing";
    400 "duplicate_field" DuplicateField "The request has a field twice";
    400 "nothing_to_change" NothingToChange "Give at least one field that is to change";
    400 "invalid_value" InvalidValue "A value is not valid";
    400 "invalid_amount" InvalidAmount "The amount is not valid";
    400 "invalid_idempotency_key" InvalidIdempotencyKey "The Idempotency-Key header must be 1 to 255 visible ASCII characters";
    400 "self_transfer" SelfTransfer "Sender and receiver must be different users";
    400 "insufficient_balance" InsufficientBalance "Insufficient balance";
    400 "balance_limit" BalanceLimit "The account takes no more than its limit";
    400 "not_a_party" NotAParty "The user neither sent nor received this transaction";

    401 "missing_token" MissingToken "This request needs an access token or a service token";
    401 "missing_service_token" MissingServiceToken "This request needs the X-Service-Token header";
    401 "invalid_token" InvalidToken "The token is not valid";
    401 "invalid_service_token" InvalidServiceToken "The service token is not valid";
    401 "token_expired" TokenExpired "Token has expired";
    401 "token_revoked" TokenRevoked "The token has ended: log in again";
    401 "invalid_credentials" InvalidCredentials "The e-mail address or the password is wrong";

    403 "forbidden" Forbidden "You may not access this resource";
    403 "topup_not_allowed" TopupNotAllowed "You may not top up your own account here";
    403 "wrong_password" WrongPassword "The current password is wrong";

    404 "route_not_found" RouteNotFound "There is no such route";
    404 "user_not_found" UserNotFound "There is no such user";
    404 "transaction_not_found" TransactionNotFound "There is no such transaction";
    404 "notification_not_found" NotificationNotFound "There is no such notification";

    405 "method_not_allowed" MethodNotAllowed "This route does not know that method";

    409 "email_taken" EmailTaken "An account with this e-mail address exists already";
    409 "pending_transactions" PendingTransactions "The account has pending transactions; settle them first";
    409 "request_in_progress" RequestInProgress "A request with this Idempotency-Key is still running";
    409 "transaction_in_progress" TransactionInProgress "The transaction is being processed; try again shortly";
    409 "illegal_status_change" IllegalStatusChange "The transaction's status does not allow this change";
    409 "not_held" NotHeld "The transaction's money could not be set aside";
    409 "receiver_unavailable" ReceiverUnavailable "The receiver cannot be paid at the moment";
    409 "notification_not_failed" NotificationNotFailed "Only a notification that has failed can be sent again";
    409 "mail_refused" MailRefused "The mail was refused for good; the reason stands in the notification";
    409 "sync_in_progress" SyncInProgress "A synchronization is running; wait for it to end";

    413 "body_too_large" BodyTooLarge "The body is too large";
    414 "uri_too_long" UriTooLong "The address of the request is too long";
    415 "unsupported_media_type" UnsupportedMediaType "The body must be JSON, with Content-Type: application/json";
    415 "unsupported_encoding" UnsupportedEncoding "The body must not be compressed: Content-Encoding may only be identity";
    422 "idempotency_key_reused" IdempotencyKeyReused "This Idempotency-Key or reference was used with a different request";

    431 "headers_too_large" HeadersTooLarge "The headers of the request are too many or too long";

    429 "rate_limited" RateLimited "Too many requests: wait before the next one";
    429 "too_many_attempts" TooManyAttempts "Too many failed logins: wait before the next one";

    500 "internal_error" InternalError "Something went wrong on our side";
    500 "outcome_unknown" OutcomeUnknown "The request may have taken effect; look before you repeat it, or repeat it with the same Idempotency-Key";

    503 "database_unavailable" DatabaseUnavailable "The database cannot be reached at the moment";
    503 "service_unavailable" ServiceUnavailable "A service that is needed cannot be reached at the moment; no money was moved";
    503 "mail_unavailable" MailUnavailable "The mail cannot be sent at the moment; it stays pending";
    503 "overloaded" Overloaded "More is asked for than can be done at the moment; ask again shortly";
    503 "not_ready" NotReady "The service cannot do its work yet; `missing` says what it waits for";
}

impl Code {
    /// The HTTP status of errors with this code.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).expect("the table holds statuses")
    }

    /// The word, in snake case.
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// A sentence that a person can act on.
    pub const fn message(self) -> &'static str {
        self.row().2
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fs, path::Path};

    use super::*;

    #[test]
    fn the_page_of_errors_has_each_code_under_its_status() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
        let page = fs::read_to_string(page).unwrap();
        let mut statuses = String::new();
        let mut explained = HashSet::new();
        for line in page.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                heading.clone_into(&mut statuses);
            } else if let Some(name) = line.strip_prefix("### ") {
                let code = Code::ALL.iter().find(|code| code.name() == name);
                let code = code.unwrap_or_else(|| panic!("the page explains {name}, which no error has"));
                assert!(statuses.contains(code.status().as_str()), "{name} does not stand under its status");
                assert!(explained.insert(name.to_owned()), "{name} stands there twice");
            }
        }
        let missing: Vec<_> = Code::ALL.iter().filter(|code| !explained.contains(code.name())).collect();
        assert!(missing.is_empty(), "the page does not explain {missing:?}");
    }
}
