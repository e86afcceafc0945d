//! Rows as structs.

/// Declares a struct whose fields are the columns of a row, by name: what `#[derive(FromRow)]` would do, without a macro
/// that compiles the database's driver once more.
#[macro_export]
macro_rules! row {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident {
            $($(#[$field_meta:meta])* $field_visibility:vis $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        $visibility struct $name {
            $($(#[$field_meta])* $field_visibility $field: $type,)*
        }

        impl sqlx::FromRow<'_, sqlx::mysql::MySqlRow> for $name {
            fn from_row(row: &sqlx::mysql::MySqlRow) -> sqlx::Result<Self> {
                Ok(Self { $($field: sqlx::Row::try_get(row, stringify!($field))?,)* })
            }
        }
    };
}
