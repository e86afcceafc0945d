//! What a file says, compared with what the wallet knows. Pure.

use std::collections::{HashMap, VecDeque};

use chrono::NaiveDate;
use money::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Items of a [`Lists`] that are kept together.
const PART: usize = 1_000;

/// Money that came in, or went out if it is negative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReconciledMovement")]
pub struct Movement {
    pub reference: String,
    /// Its day in the wallet's time zone.
    pub date: NaiveDate,
    pub amount: Money,
}

/// What has one reference here and in the file, and another date or amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReconciledDifference")]
pub struct Difference {
    pub reference: String,
    /// As the wallet knows it.
    pub here: DayAndAmount,
    /// As the file has it.
    pub there: DayAndAmount,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DayAndAmount {
    pub date: NaiveDate,
    pub amount: Money,
}

/// What a comparison has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReconciliationLists")]
pub struct Lists {
    /// What is the same here and in the file.
    pub matched: Vec<Movement>,
    /// What has another date or amount here.
    pub differing: Vec<Difference>,
    /// What the file has and the wallet does not.
    pub missing_here: Vec<Movement>,
    /// What the wallet has and the file does not.
    pub missing_there: Vec<Movement>,
}

/// Compares the lines of a file, whose references are all different, with the movements here, both by reference. The wallet may have one reference
/// several times: the line is compared with the movement that is the same, or else with the oldest, and the others are missing there.
pub fn compare(there: Vec<Movement>, here: Vec<Movement>) -> Lists {
    let mut known: HashMap<String, VecDeque<(usize, NaiveDate, Money)>> = HashMap::new();
    for (place, Movement { reference, date, amount }) in here.into_iter().enumerate() {
        known.entry(reference).or_default().push_back((place, date, amount));
    }
    let mut lists = Lists::default();
    for line in there {
        let Some(movements) = known.get_mut(&line.reference) else {
            lists.missing_here.push(line);
            continue;
        };
        let same = movements.iter().position(|(_, date, amount)| (*date, *amount) == (line.date, line.amount));
        let Some((_, date, amount)) = movements.remove(same.unwrap_or(0)) else {
            lists.missing_here.push(line);
            continue;
        };
        if same.is_some() {
            lists.matched.push(line);
        } else {
            let Movement { reference, date: its_date, amount: its_amount } = line;
            let there = DayAndAmount { date: its_date, amount: its_amount };
            lists.differing.push(Difference { reference, here: DayAndAmount { date, amount }, there });
        }
    }
    let left = known.into_iter().flat_map(|(reference, movements)| {
        movements
            .into_iter()
            .map(move |(place, date, amount)| (place, Movement { reference: reference.clone(), date, amount }))
    });
    let mut left: Vec<(usize, Movement)> = left.collect();
    left.sort_unstable_by_key(|(place, _)| *place);
    lists.missing_there = left.into_iter().map(|(_, movement)| movement).collect();
    lists
}

impl Lists {
    /// The same in parts of a bounded size; at least one.
    pub fn parts(&self) -> Vec<Self> {
        let mut parts = vec![Self::default()];
        let mut room = PART;
        let mut next = |parts: &mut Vec<Self>| {
            if room == 0 {
                parts.push(Self::default());
                room = PART;
            }
            room -= 1;
            parts.len() - 1
        };
        macro_rules! share_out {
            ($($list:ident),*) => {$(
                for item in &self.$list {
                    let part = next(&mut parts);
                    parts[part].$list.push(item.clone());
                }
            )*};
        }
        share_out!(matched, differing, missing_here, missing_there);
        parts
    }

    /// Adds the next part.
    pub fn append(&mut self, mut part: Self) {
        self.matched.append(&mut part.matched);
        self.differing.append(&mut part.differing);
        self.missing_here.append(&mut part.missing_here);
        self.missing_there.append(&mut part.missing_there);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn movement(reference: &str, day: u32, amount: i64) -> Movement {
        let date = NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
        Movement { reference: reference.into(), date, amount: amount.into() }
    }

    #[test]
    fn each_line_is_matched_differs_or_is_missing_on_one_side() {
        let there = vec![
            movement("A", 1, 100),
            movement("B", 1, 200),
            movement("C", 2, -50),
            movement("D", 3, 7),
            movement("E", 3, 9),
        ];
        let here = vec![
            movement("F", 1, 1),
            movement("A", 1, 100),
            movement("B", 1, 201),
            movement("C", 1, -50),
            movement("E", 2, 9),
            movement("E", 3, 9),
        ];
        let lists = compare(there, here);
        assert_eq!(lists.matched, [movement("A", 1, 100), movement("E", 3, 9)]);
        let differing: Vec<&str> = lists.differing.iter().map(|difference| &*difference.reference).collect();
        assert_eq!(differing, ["B", "C"]);
        assert_eq!(lists.missing_here, [movement("D", 3, 7)]);
        assert_eq!(lists.missing_there, [movement("F", 1, 1), movement("E", 2, 9)]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_parts_are_the_whole(
            there in prop::collection::btree_map("[A-D]{1,3}", (1_u32..4, 1_i64..3), 0..30),
            here in prop::collection::vec(("[A-D]{1,3}", 1_u32..4, 1_i64..3), 0..3_000),
        ) {
            let there: Vec<Movement> =
                there.into_iter().map(|(reference, (day, amount))| movement(&reference, day, amount)).collect();
            let here: Vec<Movement> =
                here.into_iter().map(|(reference, day, amount)| movement(&reference, day, amount)).collect();
            let sum = |movements: &[Movement]| movements.iter().map(|movement| movement.amount).sum::<Money>();
            let (sum_there, sum_here) = (sum(&there), sum(&here));
            let lists = compare(there, here);
            let differing = |amount: fn(&Difference) -> Money| lists.differing.iter().map(amount).sum::<Money>();
            let matched = sum(&lists.matched);
            prop_assert_eq!(sum_there, matched + differing(|d| d.there.amount) + sum(&lists.missing_here));
            prop_assert_eq!(sum_here, matched + differing(|d| d.here.amount) + sum(&lists.missing_there));
            let mut whole = Lists::default();
            for part in lists.parts() {
                prop_assert!(part.matched.len() + part.missing_there.len() <= PART);
                whole.append(part);
            }
            prop_assert_eq!(whole, lists);
        }
    }
}
