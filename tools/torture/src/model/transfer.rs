//! The model of a transfer: who decides, who is asked, and a network that loses, repeats and reorders what they say.

use proptest::{collection::vec, prelude::*};

use super::{
    ledger::{Answer, Ledger, Money, Step},
    runner::runner,
};

/// Users of a case.
const USERS: usize = 3;
/// What each of them has at first.
const OPENING: i64 = 100;
/// Events of a case, at most.
const EVENTS: usize = 60;

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// This step is outstanding, and leads there.
    Processing(Step, End),
    /// The money is set aside.
    Pending,
    /// It has come to its end.
    Settled(End),
}

/// The end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The receiver has the money.
    Completed,
    /// The sender has it back.
    Cancelled,
    /// The sender has kept it.
    Failed,
}

/// What is under way.
#[derive(Debug, Clone, Copy)]
enum Message {
    Ask(Step),
    Answer(Step, Answer),
}

/// Something that happens.
#[derive(Debug, Clone)]
enum Event {
    Create {
        from: usize,
        to: usize,
        amount: i64,
        one_step: bool,
    },
    Decide {
        transaction: usize,
        complete: bool,
    },
    /// A message arrives, any of them; it may stay under way and arrive again.
    Deliver {
        message: usize,
        again: bool,
    },
    Lose {
        message: usize,
    },
    /// The settler asks again for what is outstanding.
    AskAgain {
        transaction: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..USERS, 0..=USERS, 1_i64..120, any::<bool>())
            .prop_map(|(from, to, amount, one_step)| Event::Create { from, to, amount, one_step }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(transaction, complete)| Event::Decide { transaction, complete }),
        8 => (any::<usize>(), any::<bool>()).prop_map(|(message, again)| Event::Deliver { message, again }),
        1 => any::<usize>().prop_map(|message| Event::Lose { message }),
        2 => any::<usize>().prop_map(|transaction| Event::AskAgain { transaction }),
    ]
}

/// transaction-service's rows, user-service's ledger, and what is between them.
#[derive(Debug)]
struct World {
    ledger: Ledger,
    transactions: Vec<Status>,
    /// Who pays whom how much in each.
    terms: Vec<(usize, usize, i64)>,
    under_way: Vec<Message>,
}

impl World {
    fn new() -> Self {
        Self { ledger: Ledger::new(USERS, OPENING), transactions: Vec::new(), terms: Vec::new(), under_way: Vec::new() }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Create { from, to, amount, one_step } if from != to => {
                let transaction = self.transactions.len();
                let (step, end) = if one_step {
                    (Step::Transfer { transaction, from, to, amount }, End::Completed)
                } else {
                    (Step::Hold { transaction, from, to, amount }, End::Completed)
                };
                self.transactions.push(Status::Processing(step, end));
                self.terms.push((from, to, amount));
                self.under_way.push(Message::Ask(step));
            }
            Event::Decide { transaction, complete } if !self.transactions.is_empty() => {
                let transaction = transaction % self.transactions.len();
                if self.transactions[transaction] == Status::Pending {
                    let (from, to, amount) = self.terms[transaction];
                    let (step, end) = if complete {
                        (Step::Capture { transaction, number: 2, from, to, amount }, End::Completed)
                    } else {
                        (Step::Release { transaction, number: 2, from, to }, End::Cancelled)
                    };
                    self.transactions[transaction] = Status::Processing(step, end);
                    self.under_way.push(Message::Ask(step));
                }
            }
            Event::Deliver { message, again } if !self.under_way.is_empty() => {
                let index = message % self.under_way.len();
                let message = if again { self.under_way[index] } else { self.under_way.swap_remove(index) };
                self.deliver(message);
            }
            Event::Lose { message } if !self.under_way.is_empty() => {
                self.under_way.swap_remove(message % self.under_way.len());
            }
            Event::AskAgain { transaction } if !self.transactions.is_empty() => {
                if let Status::Processing(step, _) = self.transactions[transaction % self.transactions.len()] {
                    self.under_way.push(Message::Ask(step));
                }
            }
            _ => {}
        }
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Ask(step) => {
                let answer = self.ledger.ask(step);
                self.under_way.push(Message::Answer(step, answer));
            }
            Message::Answer(step, answer) => {
                let (transaction, _) = step.identity();
                // an answer to a step that is not outstanding any more says nothing
                if let Status::Processing(outstanding, end) = self.transactions[transaction]
                    && outstanding == step
                {
                    self.settle(transaction, step, answer, end);
                }
            }
        }
    }

    fn settle(&mut self, transaction: usize, step: Step, answer: Answer, end: End) {
        self.transactions[transaction] = match (step, answer) {
            (Step::Hold { .. }, None) => Status::Pending,
            (Step::Transfer { .. } | Step::Release { .. }, None) => Status::Settled(end),
            (Step::Hold { .. } | Step::Transfer { .. }, Some(_)) => Status::Settled(End::Failed),
            (Step::Capture { .. }, None) | (Step::Release { .. }, Some(_)) => Status::Settled(End::Completed),
            (Step::Capture { .. }, Some(_)) => {
                let (from, to, _) = self.terms[transaction];
                let release = Step::Release { transaction, number: 3, from, to };
                self.under_way.push(Message::Ask(release));
                Status::Processing(release, End::Failed)
            }
        };
    }

    /// Nothing is lost any more, and the settler asks until it is answered.
    fn calm_down(&mut self) {
        while let Some(message) = self.under_way.pop() {
            self.deliver(message);
        }
        for transaction in 0..self.transactions.len() {
            while let Status::Processing(step, _) = self.transactions[transaction] {
                self.deliver(Message::Ask(step));
                while let Some(message) = self.under_way.pop() {
                    self.deliver(message);
                }
            }
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.ledger.total(), i64::try_from(USERS).unwrap_or_default() * OPENING);
        prop_assert!(self.ledger.available.iter().chain(&self.ledger.held).all(|amount| *amount >= 0));
        Ok(())
    }

    fn check_the_end(&self) -> Result<(), TestCaseError> {
        for (transaction, status) in self.transactions.iter().enumerate() {
            let money = self.ledger.money.get(&transaction);
            let agrees = match status {
                Status::Processing(..) => false,
                Status::Pending => matches!(money, Some(Money::Held { .. })),
                Status::Settled(End::Completed) => matches!(money, Some(Money::Captured)),
                Status::Settled(End::Cancelled | End::Failed) => matches!(money, Some(Money::Released)),
            };
            prop_assert!(agrees, "transaction {} is {:?} and its money {:?}", transaction, status, money);
        }
        Ok(())
    }
}

/// Whatever is lost, repeated or reordered: no money appears or disappears, and every transaction comes to the end that its
/// money came to. Fails with the shortest list of events that was found.
pub fn transfers_hold(cases: u32, seed: u64) -> Result<(), String> {
    let outcome = runner(cases, seed).run(&vec(event(), 1..EVENTS), |events| {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
            world.check()?;
        }
        world.calm_down();
        world.check()?;
        world.check_the_end()
    });
    outcome.map_err(|failure| failure.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_loses_and_repeats_costs_no_money() {
        transfers_hold(10_000, 1).unwrap();
    }
}
