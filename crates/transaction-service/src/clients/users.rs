//! user-service, as the mover of money.

use common::client::{CallError, ServiceClient};
use fault::point;
use serde::{Deserialize, Serialize};

use crate::domain::step::{Step, StepAnswer};

#[derive(Serialize)]
struct Operations<'a> {
    operations: &'a [Step],
}

#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<StepAnswer>,
}

/// Asks user-service to move money.
#[derive(Clone)]
pub struct UserClient(ServiceClient);

impl UserClient {
    /// A client of user-service.
    pub fn new(service: ServiceClient) -> Self {
        Self(service)
    }

    /// Asks for all `steps` in one call; the answers are in their order. A step that is asked again is answered
    /// again, so a call whose outcome is not known is repeated at once: often only a kept connection had been closed.
    pub async fn execute(&self, steps: &[Step]) -> Result<Vec<StepAnswer>, CallError> {
        match self.ask(steps).await {
            Err(unknown @ CallError::Unknown { .. }) => self.ask(steps).await.map_err(|again| match again {
                CallError::Unknown { .. } => again,
                // the first call may have arrived all the same
                CallError::NotReached { .. } | CallError::Refused { .. } => unknown,
            }),
            answered => answered,
        }
    }

    async fn ask(&self, operations: &[Step]) -> Result<Vec<StepAnswer>, CallError> {
        let answer: Outcomes =
            self.0.post(point!("call.operations"), "/internal/operations", &Operations { operations }).await?;
        if answer.outcomes.len() == operations.len() {
            Ok(answer.outcomes)
        } else {
            let cause = format!("{} outcomes for {} steps", answer.outcomes.len(), operations.len());
            Err(CallError::Unknown { service: "user-service", cause })
        }
    }
}
