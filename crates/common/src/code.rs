//! What went wrong, as a word that stays the same: the `code` of an error. `docs/errors.md` says what each means and what to
//! do about it.

use axum::http::StatusCode;

/// A kind of error. Two of the same name are the same.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    status: u16,
    name: &'static str,
    message: &'static str,
}

impl Code {
    /// A kind of error, which [`codes!`](crate::codes) makes.
    pub const fn new(status: u16, name: &'static str, message: &'static str) -> Self {
        Self { status, name, message }
    }

    /// The HTTP status of errors with this code.
    ///
    /// # Panics
    /// If the table has no status, which is a mistake in the code.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status).expect("the table holds statuses")
    }

    /// The word, in snake case.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// A sentence that a person can act on.
    pub const fn message(self) -> &'static str {
        self.message
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Code {}

/// Declares the codes of a crate: status, name, constant and sentence. `ALL` has them all.
#[macro_export]
macro_rules! codes {
    ($($status:literal $name:literal $constant:ident $message:literal;)*) => {
        $(
            #[doc = $message]
            pub const $constant: $crate::code::Code = $crate::code::Code::new($status, $name, $message);
        )*

        /// The codes of this crate.
        pub const ALL: &[$crate::code::Code] = &[$($constant,)*];
    };
}
