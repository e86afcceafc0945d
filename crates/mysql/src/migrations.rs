//! The migrations of a service, which its program carries.
//!
//! A table that several services have comes with the crate that reads it, under a number below 100; a service's own ones
//! begin at 101.

use sqlx::{
    SqlStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// A migration: its name, and its statement.
pub type File = (&'static str, &'static str);

/// The migration in the file `migrations/<name>.sql` of the crate: the name is a number, an underscore, and words.
#[macro_export]
macro_rules! migration {
    ($name:literal) => {
        ($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $name, ".sql")))
    };
}

/// The migrations in such files.
#[macro_export]
macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        [$($crate::migration!($name),)*]
    };
}

/// A migrator of these files, in the order of their numbers.
///
/// # Panics
/// If a name does not begin with a number, which is a mistake in the code.
pub fn migrator(files: impl IntoIterator<Item = File>) -> Migrator {
    let migration = |(name, sql): File| {
        let (number, words) = name.split_once('_').expect("a migration has a number and a name");
        let version = number.parse().expect("a migration begins with its number");
        Migration::new(version, words.replace('_', " ").into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    let mut migrations: Vec<Migration> = files.into_iter().map(migration).collect();
    migrations.sort_by_key(|migration| migration.version);
    Migrator::with_migrations(migrations)
}
