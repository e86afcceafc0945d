//! Making, changing and deleting schedules. [`super::runs`] carries them out.

use chrono_tz::Tz;
use common::{
    ApiError, Result,
    idempotency::{self, Answer, KeyedRequest, Known},
};
use fault::point;
use money::{
    ScheduleId,
    time::{self, day_of, midnight},
};
use mysql::DbError;
use sqlx::MySqlPool;

use super::clock::RUNS;
use crate::{
    codes,
    domain::schedule::{NewSchedule, Schedule, ScheduleChange, Unchangeable},
    store::schedules as store,
};

/// Makes and changes schedules. Cheap to clone.
#[derive(Clone)]
pub struct Schedules {
    pool: MySqlPool,
    zone: Tz,
}

impl Schedules {
    /// The schedules in `pool`, whose days are those of `zone`.
    pub fn new(pool: MySqlPool, zone: Tz) -> Self {
        Self { pool, zone }
    }

    /// Makes a schedule and keeps its `answer` under `request`; the first answer if the request is known. 400 if it would have to
    /// run before today.
    pub async fn create(
        &self,
        new: &NewSchedule,
        request: Option<&KeyedRequest>,
        answer: fn(Schedule) -> Answer,
    ) -> Result<Known> {
        let start = new.recurrence.start;
        let due_at = midnight(start, self.zone);
        // an identity of its own, by which a second run finds what the first one wrote
        let identity = &format!("once {}", uuid::Uuid::now_v7().simple());
        let made = mysql::retry(|_| async move {
            let mut tx = mysql::begin(&self.pool, point!("schedule.created")).await?;
            if let Some(known) = idempotency::look_up(tx.conn().await?, request).await? {
                return Ok(Some(known));
            }
            let now = store::now(tx.conn().await?).await?;
            if start < day_of(now, self.zone) {
                return Ok(None);
            }
            let schedule = store::insert(tx.conn().await?, identity, new, due_at, now).await?;
            let answer = answer(schedule);
            idempotency::store(tx.conn().await?, request, &answer).await?;
            if due_at <= now {
                tx.on_commit(|| RUNS.give());
            }
            tx.commit().await?;
            Ok::<_, DbError>(Some(Known::Answered(answer)))
        })
        .await?;
        made.ok_or_else(|| ApiError::invalid("start", "must be today or later"))
    }

    /// The schedule `id`; 404 if there is none, or it is deleted.
    pub async fn find(&self, id: ScheduleId) -> Result<Schedule> {
        let found = store::find(&mut *self.pool.acquire().await?, id).await?;
        Ok(found.ok_or(codes::SCHEDULE_NOT_FOUND)?)
    }

    /// Changes a schedule, and returns it as it is then.
    pub async fn change(&self, id: ScheduleId, change: &ScheduleChange) -> Result<Schedule> {
        let changed = mysql::retry(|_| async move {
            let mut tx = mysql::begin(&self.pool, point!("schedule.changed")).await?;
            let Some(mut schedule) = store::lock(tx.conn().await?, id).await? else { return Ok(None) };
            let now = store::now(tx.conn().await?).await?;
            if let Err(refusal) = schedule.change(change.clone(), day_of(now, self.zone), now) {
                return Ok(Some(Err(refusal)));
            }
            store::update(tx.conn().await?, &schedule, self.zone).await?;
            tx.commit().await?;
            Ok::<_, DbError>(Some(Ok(schedule)))
        })
        .await?;
        changed.ok_or(codes::SCHEDULE_NOT_FOUND)?.map_err(|refusal| match refusal {
            Unchangeable::Ended => codes::SCHEDULE_ENDED.into(),
            Unchangeable::EndBeforeStart => ApiError::invalid("end", "must not be before the start"),
            Unchangeable::Shared => {
                ApiError::new(codes::INVALID_VALUE).field("amount", "must stay as it is: it is shared among several")
            }
        })
    }

    /// Deletes a schedule: it never runs again, but for a date that has come at this very moment.
    pub async fn delete(&self, id: ScheduleId) -> Result<()> {
        let now = time::now();
        mysql::retry(|_| async move {
            let mut tx = mysql::begin(&self.pool, point!("schedule.deleted")).await?;
            let Some(mut schedule) = store::lock(tx.conn().await?, id).await? else { return Ok(()) };
            schedule.delete(now);
            store::update(tx.conn().await?, &schedule, self.zone).await?;
            tx.commit().await
        })
        .await?;
        Ok(())
    }
}
