//! The table of every route.

/// What each caller of a route is answered. `a/b` is `a` in development and `b` in production. *Owner* is the user in the
/// path, the sender, or whoever is told; *nobody* shows no credential, *leaked* one that has ended or was made up.
pub const TABLE: &str = "
    route                                        nobody  owner  receiver  stranger  service  leaked
    GET    /health                               200     200    200       200       200      200
    GET    /ready                                200     200    200       200       200      200
    GET    /metrics                              200/401 200/403 200/403  200/403   200      401

    POST   /auth/register                        201     201    201       201       201      201
    POST   /auth/login                           200     200    200       200       200      200
    GET    /users                                200/401 200    200       200       200      401
    POST   /users                                201/401 201/403 201/403  201/403   201      401
    GET    /users/lookup                         401     200    200       200       200      401
    GET    /users/{id}                          200/401 200     403/404   403/404   200      401
    PUT    /users/{id}                          401     200     403/404   403/404   200      401
    DELETE /users/{id}                          401     200     403/404   403/404   200      401
    GET    /users/{id}/balance                  200/401 200     403/404   403/404   200      401
    POST   /users/{id}/topup                    401     200/403 403/404   403/404   200      401
    POST   /users/{id}/debit                    401     200     403/404   403/404   200      401
    GET    /users/{id}/limits                   401     200     403/404   403/404   200      401
    PUT    /users/{id}/limits                   401     403    403       403       200      401
    PUT    /users/{id}/state                    401     403    403       403       200      401
    GET    /internal/accounts                    401     403    403       403       200      401
    GET    /internal/entries                     401     403    403       403       200      401
    GET    /internal/names                       401     403    403       403       200      401
    GET    /internal/receivers                   401     403    403       403       200      401
    GET    /internal/revocations                 401     403    403       403       200      401
    GET    /internal/totals                      401     403    403       403       200      401
    GET    /internal/users                       401     403    403       403       200      401
    GET    /internal/users/{id}                  401     403    403       403       200      401
    PUT    /internal/users/{id}/balance          401     403    403       403       200      401
    POST   /internal/operations                  401     403    403       403       200      401
    POST   /internal/operations/dry-run          401     403    403       403       200      401
    GET    /internal/ledger/verify               401     403    403       403       200      401

    GET    /transactions                         200/401 200    200       200       200      401
    POST   /transactions                         401     201    403       403       201      401
    GET    /transactions/{id}                    200/401 200    200       403/404   200      401
    PUT    /transactions/{id}                    200/401 200    403       403/404   200      401
    DELETE /transactions/{id}                    200/401 200    200       403/404   200      401
    POST   /transactions/batch                   401     201    201       201       201      401
    GET    /batches/{id}                         200/401 200    403/404   403/404   200      401
    POST   /transactions/{id}/captures           201/401 201    403       403/404   201      401
    POST   /transactions/{id}/refunds            201/401 403    201       403/404   201      401
    GET    /transactions/user/{user_id}         200/401 200     403/404   403/404   200      401
    GET    /payment-requests                     200/401 200    200       200       200      401
    POST   /payment-requests                     401     201    403       403       201      401
    GET    /payment-requests/{id}                200/401 200    200       403/404   200      401
    DELETE /payment-requests/{id}                200/401 200    403       403/404   200      401
    GET    /payment-requests/{id}/qr.svg         200     200    200       200       200      200
    POST   /payment-requests/{id}/pay            401     403    201       403/404   201      401
    POST   /payment-requests/{id}/decline        200/401 403    200       403/404   200      401
    GET    /schedules                            200/401 200    200       200       200      401
    POST   /schedules                            401     201    403       403       201      401
    GET    /schedules/{id}                       200/401 200    403/404   403/404   200      401
    PUT    /schedules/{id}                       200/401 200    403/404   403/404   200      401
    DELETE /schedules/{id}                       200/401 200    403/404   403/404   200      401
    GET    /internal/transactions                401     403    403       403       200      401
    GET    /internal/transactions/newest         401     403    403       403       200      401
    GET    /internal/transactions/batch          401     403    403       403       200      401
    GET    /internal/transactions/user/{user_id} 401     403    403       403       200      401
    GET    /internal/transactions/{id}           401     403    403       403       200      401

    GET    /notifications                        200/401 200    200       200       200      401
    POST   /notifications                        401     403    403       403       201      401
    GET    /notifications/{id}                   200/401 200    403/404   403/404   200      401
    PUT    /notifications/{id}                   200/401 200/403 200/403  200/403   200      401
    DELETE /notifications/{id}                   200/401 200    403/404   403/404   200      401
    POST   /notifications/{id}/send              200/401 200    403/404   403/404   200      401
    POST   /notifications/{id}/resend            200/401 200    403/404   403/404   200      401
    POST   /internal/facts                       401     403    403       403       200      401
    POST   /internal/notifications/resend        401     403    403       403       200      401

    POST   /reports                              401     403    403       403       201      401
    GET    /reports/user/{user_id}              200/401 200     403/404   403/404   200      401
    GET    /entries/user/{user_id}              200/401 200     403/404   403/404   200      401
    GET    /balances/user/{user_id}             200/401 200     403/404   403/404   200      401
    GET    /summaries/user/{user_id}            200/401 200     403/404   403/404   200      401
    GET    /statements/user/{user_id}           200/401 200     403/404   403/404   200      401
    GET    /statements/verify/{code}            404     404     404       404       404      404
    GET    /charts/user/{user_id}/balance.svg   200/401 200     403/404   403/404   200      401
    GET    /charts/user/{user_id}/flow.svg      200/401 200     403/404   403/404   200      401
    GET    /overview                             200/401 200/403 200/403  200/403   200      401
    GET    /reconciliations                      200/401 200/403 200/403  200/403   200      401
    POST   /reconciliations                      401     403    403       403       201      401
    GET    /reconciliations/{id}                 200/401 200/403 200/403  200/403   200      401
    POST   /sync/all                             401     403    403       403       200      401
";
