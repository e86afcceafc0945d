//! Changing a notification, and hiding it.

use fault::point;
use money::{NotificationId, time};
use mysql::DbError;
use sqlx::MySqlPool;

use super::worker;
use crate::store::{
    notifications as store,
    notifications::{Notification, Status},
};

/// Sets what is given, and returns the notification as it stands then; `None` if there is none. One that becomes `pending` is
/// mailed again.
pub async fn change(
    pool: &MySqlPool,
    id: NotificationId,
    message: Option<&str>,
    status: Option<Status>,
) -> Result<Option<Notification>, DbError> {
    let now = time::now();
    mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("update")).await?;
        worker::announce(&mut tx);
        store::update(tx.conn().await?, id, message, status, now).await?;
        // read before the commit, after which the worker may go on with it
        let notification = store::find(tx.conn().await?, id).await?;
        tx.commit().await?;
        Ok(notification)
    })
    .await
}

/// Hides a notification; false if there is none.
pub async fn hide(pool: &MySqlPool, id: NotificationId) -> Result<bool, DbError> {
    let now = time::now();
    mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("hide")).await?;
        let is_hidden = store::hide(tx.conn().await?, id, now).await?;
        tx.commit().await?;
        Ok(is_hidden)
    })
    .await
}
