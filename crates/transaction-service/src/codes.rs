//! The codes of transaction-service's own errors, beside those that any service may have.

pub use common::codes::*;

common::codes! {
    400 "self_transfer" SELF_TRANSFER "Sender and receiver must be different users";
    404 "batch_not_found" BATCH_NOT_FOUND "Batch not found";
    413 "too_many_items" TOO_MANY_ITEMS "The batch has more items than are taken";
    404 "payment_request_not_found" PAYMENT_REQUEST_NOT_FOUND "There is no such payment request";
    409 "payment_request_not_open" PAYMENT_REQUEST_NOT_OPEN "The payment request is not open";
    404 "schedule_not_found" SCHEDULE_NOT_FOUND "There is no such schedule";
    409 "schedule_ended" SCHEDULE_ENDED "The schedule has ended: make a new one";
    409 "request_in_progress" REQUEST_IN_PROGRESS "A request with this Idempotency-Key is still running";
    409 "transaction_in_progress" TRANSACTION_IN_PROGRESS "The transaction is being processed; try again shortly";
    409 "exceeds_remaining" EXCEEDS_REMAINING "That is more than is left to capture";
    409 "too_many_captures" TOO_MANY_CAPTURES "The transaction has as many captures as it can: the next one must be final";
    409 "not_refundable" NOT_REFUNDABLE "A refund cannot be refunded";
    409 "illegal_status_change" ILLEGAL_STATUS_CHANGE "The transaction's status does not allow this change";
}
