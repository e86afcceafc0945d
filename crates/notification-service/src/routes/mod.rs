//! The routes of notification-service, one file for each resource.

pub mod facts;
pub mod notifications;
