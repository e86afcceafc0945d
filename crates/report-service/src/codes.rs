//! The codes of report-service's own errors, beside those that any service may have.

pub use common::codes::*;

common::codes! {
    400 "not_a_party" NOT_A_PARTY "The user neither sent nor received this transaction";
    404 "reconciliation_not_found" RECONCILIATION_NOT_FOUND "Reconciliation not found";
    404 "statement_not_found" STATEMENT_NOT_FOUND "No statement was issued under this code";
    406 "not_acceptable" NOT_ACCEPTABLE "The Accept header takes none of the forms that this can be answered in";
    409 "sync_in_progress" SYNC_IN_PROGRESS "A synchronization is running; wait for it to end";
    413 "too_many_entries" TOO_MANY_ENTRIES "The period has more entries than are added up at once";
    413 "too_many_movements" TOO_MANY_MOVEMENTS "The wallet has more movements with a reference on these days than are compared at once";
}
