//! The migrations of a service, which its program carries.

use sqlx::{
    SqlStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// The migrations in the files `migrations/<name>.sql` of the crate, by their names: a number, an underscore, and words.
#[macro_export]
macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        $crate::migrator(&[$(
            ($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $name, ".sql"))),
        )*])
    };
}

/// A migrator of these files, each a name and what is in it.
///
/// # Panics
/// If a name does not begin with a number, which is a mistake in the code.
pub fn migrator(files: &[(&'static str, &'static str)]) -> Migrator {
    let migration = |(name, sql): &(&'static str, &'static str)| {
        let (number, words) = name.split_once('_').expect("a migration has a number and a name");
        let version = number.parse().expect("a migration begins with its number");
        Migration::new(version, words.replace('_', " ").into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    Migrator::with_migrations(files.iter().map(migration).collect())
}
