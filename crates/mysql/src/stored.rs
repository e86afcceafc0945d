//! Enums as columns.

/// Stores an enum as the words that `strum` gives its variants: `VARCHAR`, so that a new variant needs no migration.
///
/// With `else`, a word that this version does not know is read as that variant, so that a new one can be rolled out, and back.
#[macro_export]
macro_rules! stored_as_text {
    (@encode $type:ty) => {
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
    };
    ($type:ty, else $other:ident) => {
        $crate::stored_as_text!(@encode $type);

        impl sqlx::Decode<'_, sqlx::MySql> for $type {
            fn decode(value: sqlx::mysql::MySqlValueRef<'_>) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(<&str as sqlx::Decode<sqlx::MySql>>::decode(value)?.parse().unwrap_or(Self::$other))
            }
        }
    };
    ($($type:ty),+) => {$(
        $crate::stored_as_text!(@encode $type);

        impl sqlx::Decode<'_, sqlx::MySql> for $type {
            fn decode(value: sqlx::mysql::MySqlValueRef<'_>) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(<&str as sqlx::Decode<sqlx::MySql>>::decode(value)?.parse()?)
            }
        }
    )+};
}
