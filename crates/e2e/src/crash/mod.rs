//! Every crash point: at each commit and each call a service dies, fails or waits, once before and once after it, while a
//! [day](day) of the wallet goes by. Whatever happens, the day must end as it does without.

mod day;
mod picture;
mod points;
mod run;

pub use points::{Point, points};
pub use run::{Fault, Report, Selection, run};
