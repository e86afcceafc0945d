//! Every crash point: at each commit and each call a service dies, fails or waits, once before and once after it, while a
//! [day](day) of the wallet goes by. Whatever happens, the day must end as it does without.

mod day;
mod fault;
mod picture;
mod points;
mod run;
mod stage;

pub use fault::Selection;
pub use run::run;
