//! Enums as columns.

/// Stores an enum as the words that `strum` gives its variants: `VARCHAR`, so that a new variant needs no migration.
#[macro_export]
macro_rules! stored_as_text {
    ($($type:ty),+) => {$(
        impl sqlx::Type<sqlx::MySql> for $type {
            fn type_info() -> sqlx::mysql::MySqlTypeInfo {
                <str as sqlx::Type<sqlx::MySql>>::type_info()
            }

            fn compatible(info: &sqlx::mysql::MySqlTypeInfo) -> bool {
                <str as sqlx::Type<sqlx::MySql>>::compatible(info)
            }
        }

        impl sqlx::Encode<'_, sqlx::MySql> for $type {
            fn encode_by_ref(
                &self,
                buffer: &mut Vec<u8>,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                sqlx::Encode::<sqlx::MySql>::encode_by_ref(&<&'static str>::from(self), buffer)
            }
        }

        impl sqlx::Decode<'_, sqlx::MySql> for $type {
            fn decode(value: sqlx::mysql::MySqlValueRef<'_>) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(<&str as sqlx::Decode<sqlx::MySql>>::decode(value)?.parse()?)
            }
        }
    )+};
}
