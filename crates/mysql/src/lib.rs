//! MySQL and MariaDB as every service uses them: sessions, migrations, units of work and how they are repeated, what an
//! error means, leases, and statements of many rows.

mod broken;
mod config;
mod distance;
mod durability;
mod error;
mod held_up;
mod list;
mod migrate;
mod migrations;
mod pool;
mod readiness;
mod retry;
mod row;
mod script;
mod stored;
mod tls;
mod unit;

pub mod bulk;
pub mod lease;
pub mod scan;

pub use config::{DatabaseConfig, DatabaseTls};
pub use distance::lanes;
pub use durability::weak_settings;
pub use error::{DbError, is_duplicate, is_locked, is_transient, is_unavailable, raced, stale};
pub use held_up::HeldUp;
pub use list::push_list;
pub use migrate::{migrate, migrate_apart_from};
pub use migrations::{File, migrator};
pub use pool::{connect, pool, prepare_session};
pub use readiness::{READINESS, Readiness};
pub use retry::{RETRIES, retry};
pub use unit::{Unit, begin};
