//! The routes of notification-service, one file for each resource.

pub mod events;
pub mod notifications;
