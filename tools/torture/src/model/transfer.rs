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

/// Where a step leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A part is captured, and the rest still set aside.
    Open,
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
    /// Captures a part of what is left.
    Capture {
        transaction: usize,
        amount: i64,
        is_final: bool,
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
        3 => (any::<usize>(), 1_i64..60, any::<bool>())
            .prop_map(|(transaction, amount, is_final)| Event::Capture { transaction, amount, is_final }),
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
    /// The number of each one's last step, and what the receiver has got.
    progress: Vec<(u16, i64)>,
    under_way: Vec<Message>,
}

impl World {
    fn new() -> Self {
        let (transactions, terms, progress, under_way) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { ledger: Ledger::new(USERS, OPENING), transactions, terms, progress, under_way }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Create { from, to, amount, one_step } if from != to => {
                let transaction = self.transactions.len();
                let (step, end) = if one_step {
                    (Step::Transfer { transaction, from, to, amount, second: None }, End::Completed)
                } else {
                    (Step::Hold { transaction, from, to, amount, second: None }, End::Completed)
                };
                self.transactions.push(Status::Processing(step, end));
                self.terms.push((from, to, amount));
                self.progress.push((1, 0));
                self.under_way.push(Message::Ask(step));
            }
            Event::Decide { transaction, complete } if !self.transactions.is_empty() => {
                let transaction = transaction % self.transactions.len();
                let ((from, to, amount), (_, captured)) = (self.terms[transaction], self.progress[transaction]);
                if complete {
                    self.capture(transaction, amount - captured, true);
                } else {
                    let end = if captured == 0 { End::Cancelled } else { End::Completed };
                    self.decide(transaction, end, |number| Step::Release {
                        transaction,
                        number,
                        from,
                        to,
                        second: None,
                    });
                }
            }
            Event::Capture { transaction, amount, is_final } if !self.transactions.is_empty() => {
                self.capture(transaction % self.transactions.len(), amount, is_final);
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

    /// Has a part of what is left captured, if there is that much.
    fn capture(&mut self, transaction: usize, amount: i64, is_final: bool) {
        let ((from, to, whole), (_, captured)) = (self.terms[transaction], self.progress[transaction]);
        let left = whole - captured;
        if amount <= left {
            let end = if is_final || amount == left { End::Completed } else { End::Open };
            let step = |number| Step::Capture { transaction, number, from, to, amount, is_final, second: None };
            self.decide(transaction, end, step);
        }
    }

    /// Asks for the next step of a transaction, if it is pending.
    fn decide(&mut self, transaction: usize, end: End, step: impl FnOnce(u16) -> Step) {
        if self.transactions[transaction] == Status::Pending {
            self.progress[transaction].0 += 1;
            let step = step(self.progress[transaction].0);
            self.transactions[transaction] = Status::Processing(step, end);
            self.under_way.push(Message::Ask(step));
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
            (Step::Transfer { amount, .. } | Step::Capture { amount, .. }, None) => {
                self.progress[transaction].1 += amount;
                if end == End::Open { Status::Pending } else { Status::Settled(end) }
            }
            (Step::Release { .. }, None) => Status::Settled(end),
            (Step::Hold { .. } | Step::Transfer { .. }, Some(_)) => Status::Settled(End::Failed),
            (Step::Release { .. }, Some(_)) => Status::Settled(End::Completed),
            (Step::Capture { .. }, Some(_)) => {
                let (from, to, _) = self.terms[transaction];
                let (number, captured) = &mut self.progress[transaction];
                *number += 1;
                let release = Step::Release { transaction, number: *number, from, to, second: None };
                self.under_way.push(Message::Ask(release));
                Status::Processing(release, if *captured == 0 { End::Failed } else { End::Completed })
            }
            (Step::Refund { .. }, _) => unreachable!("nobody refunds here"),
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
                Status::Processing(..) | Status::Settled(End::Open) => false,
                Status::Pending => matches!(money, Some(Money::Held { .. })),
                Status::Settled(End::Completed) => matches!(money, Some(Money::Captured)),
                Status::Settled(End::Cancelled | End::Failed) => matches!(money, Some(Money::Released)),
            };
            let paid = self.ledger.deals.get(&transaction).map_or(0, |deal| deal.captured);
            prop_assert_eq!(paid, self.progress[transaction].1);
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
