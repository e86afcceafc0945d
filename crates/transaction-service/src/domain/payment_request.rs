//! Payment requests: somebody asks for money, and somebody pays it once. Pure.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use common::{caller::Caller, labels::Labels};
use money::{Amount, Email, TransactionId, UserId, ids::Id};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{intent::NewTransaction, state::Status};

/// Days after which a payment request cannot be paid any more.
pub const OPEN_DAYS: u32 = 30;
/// Digits of a payment request's id.
const ID_DIGITS: usize = 32;

/// What people know a payment request by: 122 random bits as 32 hexadecimal digits, which nobody guesses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = PaymentRequestId::PATTERN))]
pub struct PaymentRequestId(String);

impl PaymentRequestId {
    /// A new one.
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Id for PaymentRequestId {
    const PARAMETER: &'static str = "payment_request_id";
    const PATTERN: Option<&'static str> = Some("^[0-9a-f]{32}$");
}

impl FromStr for PaymentRequestId {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_id = text.len() == ID_DIGITS && text.bytes().all(is_digit);
        is_id.then(|| Self(text.to_owned())).ok_or("must be the 32 hexadecimal digits of a payment request")
    }
}

impl fmt::Display for PaymentRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a payment request ended that was not paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Ending {
    /// The payer who is named does not want to pay.
    Declined,
    /// The payee asks no longer.
    Withdrawn,
}

mysql::stored_as_text!(Ending);

/// The word for how a payment request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// It can be paid.
    Open,
    /// Somebody is paying it, and the outcome is not known yet: it becomes `paid`, or `open` again.
    Processing,
    /// The payee has the money.
    Paid,
    /// The payer who is named does not want to pay.
    Declined,
    /// The payee asks no longer.
    Withdrawn,
    /// Nobody has paid it in time.
    Expired,
}

/// A payment request to make.
#[derive(Debug, Clone)]
pub struct NewPaymentRequest {
    pub token: PaymentRequestId,
    pub payee_id: UserId,
    pub amount: Amount,
    pub description: String,
    pub payer_email: Option<Email>,
}

/// A payment request as it stands.
#[derive(Debug, Clone)]
pub struct PaymentRequest {
    /// Its number, which nobody outside sees.
    pub id: i64,
    pub token: PaymentRequestId,
    /// Who asks, and is paid.
    pub payee_id: UserId,
    pub amount: Amount,
    pub description: String,
    /// The address of who alone may see and pay it; `None` if that is whoever has the id.
    pub payer_email: Option<String>,
    pub ending: Option<Ending>,
    /// When it was declined or withdrawn.
    pub ended_at: Option<DateTime<Utc>>,
    /// How often somebody has begun to pay it.
    pub attempts: i32,
    /// The transaction of the last time.
    pub transaction_id: Option<TransactionId>,
    /// How that stands.
    pub transaction_status: Option<Status>,
    /// True if its time is over, by the database's clock.
    pub is_over: bool,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// What somebody is to a payment request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Who asks for the money.
    Payee,
    /// The payer whom it names.
    NamedPayer,
    /// Whoever has the id of one that names no payer.
    Holder,
    /// A service, or anyone in development.
    Service,
}

impl Party {
    /// True if it may withdraw the request.
    pub fn may_withdraw(self) -> bool {
        matches!(self, Self::Payee | Self::Service)
    }

    /// True if it sees by which transaction the request was paid.
    pub fn sees_transaction(self) -> bool {
        self != Self::Holder
    }
}

impl PaymentRequest {
    /// How it stands. While somebody is paying it nothing else can happen to it, and what was paid stays so; a transaction that has
    /// failed leaves it as if nobody had tried.
    pub fn status(&self) -> RequestStatus {
        match (self.transaction_status, self.ending) {
            (Some(Status::Completed), _) => RequestStatus::Paid,
            (Some(Status::Processing | Status::Pending), _) => RequestStatus::Processing,
            (_, Some(Ending::Declined)) => RequestStatus::Declined,
            (_, Some(Ending::Withdrawn)) => RequestStatus::Withdrawn,
            (_, None) if self.is_over => RequestStatus::Expired,
            (_, None) => RequestStatus::Open,
        }
    }

    /// True if it names a payer, and that is who has this address.
    pub fn is_for(&self, address: Option<&str>) -> bool {
        self.payer_email.as_deref().is_some_and(|payer| Some(payer) == address)
    }

    /// What `caller` is to it, who has this address and whose account was opened at `since`; `None` if it does not see it. A payee's
    /// number that was given away again is not the payee.
    pub fn party(&self, caller: Caller, address: Option<&str>, since: Option<DateTime<Utc>>) -> Option<Party> {
        let Caller::User(user) = caller else { return Some(Party::Service) };
        if user == self.payee_id && since.is_none_or(|since| since <= self.created_at) {
            return Some(Party::Payee);
        }
        match self.payer_email {
            None => Some(Party::Holder),
            Some(_) => self.is_for(address).then_some(Party::NamedPayer),
        }
    }

    /// The transaction by which `payer` pays it.
    pub fn transaction(&self, payer: UserId) -> NewTransaction {
        NewTransaction {
            sender_id: payer,
            receiver_id: self.payee_id,
            amount: self.amount,
            description: self.description.clone(),
            auto_complete: true,
            labels: Labels::default(),
            batch_id: None,
            execute_at: None,
            schedule_id: None,
            shares: Vec::new(),
            refund_of: None,
        }
    }

    /// The identity of the transaction of the next attempt to pay it.
    pub fn next_attempt(&self) -> String {
        format!("payment-request {} {}", self.id, self.attempts + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> PaymentRequest {
        PaymentRequest {
            id: 1,
            token: PaymentRequestId::random(),
            payee_id: user(2),
            amount: "25000".parse().unwrap(),
            description: "Lunch".to_owned(),
            payer_email: None,
            ending: None,
            ended_at: None,
            attempts: 0,
            transaction_id: None,
            transaction_status: None,
            is_over: false,
            created_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
        }
    }

    fn user(id: i64) -> UserId {
        id.try_into().unwrap()
    }

    #[test]
    fn what_is_being_paid_or_is_paid_stays_so_and_a_failed_payment_leaves_it_as_it_was() {
        use RequestStatus::{Declined, Expired, Open, Paid, Processing, Withdrawn};
        let (declined, withdrawn) = (Some(Ending::Declined), Some(Ending::Withdrawn));
        for (transaction_status, ending, is_over, status) in [
            (None, None, false, Open),
            (None, None, true, Expired),
            (None, declined, true, Declined),
            (None, withdrawn, false, Withdrawn),
            (Some(Status::Processing), None, true, Processing),
            (Some(Status::Completed), None, true, Paid),
            (Some(Status::Failed), None, false, Open),
            (Some(Status::Failed), None, true, Expired),
            (Some(Status::Failed), withdrawn, false, Withdrawn),
        ] {
            let request = PaymentRequest { ending, transaction_status, is_over, ..request() };
            assert_eq!(request.status(), status, "{transaction_status:?} {ending:?} {is_over}");
        }
    }

    #[test]
    fn who_has_the_id_sees_it_unless_it_names_a_payer() {
        let open = request();
        let named = PaymentRequest { payer_email: Some("jane@example.com".to_owned()), ..request() };
        let (jane, john) = (Some("jane@example.com"), Some("john@example.com"));
        let seen = |request: &PaymentRequest, id, address| request.party(Caller::User(user(id)), address, None);
        assert_eq!([seen(&open, 2, john), seen(&named, 2, john)], [Some(Party::Payee); 2]);
        assert_eq!([seen(&open, 3, john), seen(&named, 3, john)], [Some(Party::Holder), None]);
        assert_eq!([seen(&named, 3, jane), seen(&named, 3, None)], [Some(Party::NamedPayer), None]);
        assert_eq!(named.party(Caller::Service(None), None, None), Some(Party::Service));
        let later = DateTime::from_timestamp(1, 0);
        assert_eq!(named.party(Caller::User(user(2)), john, later), None, "the number was given away again");
    }

    #[test]
    fn an_id_is_32_hexadecimal_digits_that_differ() {
        let id = PaymentRequestId::random();
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        assert_ne!(id, PaymentRequestId::random());
        let upper = id.to_string().to_uppercase();
        for wrong in ["", "1", &upper, &format!("{id}0"), &"g".repeat(ID_DIGITS), &"é".repeat(ID_DIGITS / 2)] {
            assert!(wrong.parse::<PaymentRequestId>().is_err(), "{wrong}");
        }
    }
}
