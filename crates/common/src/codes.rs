//! The codes that more than one service may answer.

crate::codes! {
    400 "malformed_request" MALFORMED_REQUEST "This is no HTTP request that can be understood";
    400 "malformed_body" MALFORMED_BODY "The body could not be read";
    400 "malformed_json" MALFORMED_JSON "The body is not valid JSON";
    400 "invalid_body" INVALID_BODY "The body must be a JSON object with this route's fields";
    400 "unknown_field" UNKNOWN_FIELD "The request has a field that this route does not know";
    400 "missing_field" MISSING_FIELD "A required field is missing";
    400 "duplicate_field" DUPLICATE_FIELD "The request has a field twice";
    400 "nothing_to_change" NOTHING_TO_CHANGE "Give at least one field that is to change";
    400 "invalid_value" INVALID_VALUE "A value is not valid";
    400 "invalid_amount" INVALID_AMOUNT "The amount is not valid";
    400 "invalid_idempotency_key" INVALID_IDEMPOTENCY_KEY "The Idempotency-Key header must be 1 to 255 visible ASCII characters";
    400 "insufficient_balance" INSUFFICIENT_BALANCE "Insufficient balance";
    400 "limit_exceeded" LIMIT_EXCEEDED "That exceeds a limit of the account that pays";

    401 "missing_token" MISSING_TOKEN "This request needs an access token or a service token";
    401 "missing_service_token" MISSING_SERVICE_TOKEN "This request needs the X-Service-Token header";
    401 "invalid_token" INVALID_TOKEN "The token is not valid";
    400 "invalid_service_name" INVALID_SERVICE_NAME "X-Service-Name must be 1 to 32 lower-case letters, digits or hyphens";
    401 "invalid_service_token" INVALID_SERVICE_TOKEN "The service token is not valid";
    401 "token_expired" TOKEN_EXPIRED "Token has expired";
    401 "token_revoked" TOKEN_REVOKED "The token has ended: log in again";

    403 "forbidden" FORBIDDEN "You may not access this resource";
    403 "account_frozen" ACCOUNT_FROZEN "The account is frozen: it receives money and sends none";
    403 "account_locked" ACCOUNT_LOCKED "The account is locked";

    404 "route_not_found" ROUTE_NOT_FOUND "There is no such route";
    404 "user_not_found" USER_NOT_FOUND "There is no such user";
    404 "transaction_not_found" TRANSACTION_NOT_FOUND "There is no such transaction";

    405 "method_not_allowed" METHOD_NOT_ALLOWED "This route does not know that method";

    409 "not_held" NOT_HELD "The transaction's money could not be set aside";
    409 "exceeds_refundable" EXCEEDS_REFUNDABLE "That is more than was captured and not refunded yet";
    409 "receiver_unavailable" RECEIVER_UNAVAILABLE "The receiver cannot be paid at the moment";

    413 "body_too_large" BODY_TOO_LARGE "The body is too large";
    414 "uri_too_long" URI_TOO_LONG "The address of the request is too long";
    415 "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "The body must be JSON, with Content-Type: application/json";
    415 "unsupported_encoding" UNSUPPORTED_ENCODING "The body must not be compressed: Content-Encoding may only be identity";
    422 "idempotency_key_reused" IDEMPOTENCY_KEY_REUSED "This Idempotency-Key or reference was used with a different request";

    431 "headers_too_large" HEADERS_TOO_LARGE "The headers of the request are too many or too long";

    429 "rate_limited" RATE_LIMITED "Too many requests: wait before the next one";

    500 "internal_error" INTERNAL_ERROR "Something went wrong on our side";
    500 "outcome_unknown" OUTCOME_UNKNOWN "The request may have taken effect; look before you repeat it, or repeat it with the same Idempotency-Key";

    503 "database_unavailable" DATABASE_UNAVAILABLE "The database cannot be reached at the moment";
    503 "service_unavailable" SERVICE_UNAVAILABLE "A service that is needed cannot be reached at the moment; no money was moved";
    503 "overloaded" OVERLOADED "More is asked for than can be done at the moment; ask again shortly";
    503 "not_ready" NOT_READY "The service cannot do its work yet; `missing` says what it waits for";
}
