//! The whole wallet over real sockets.

mod access;
mod backup;
mod crashes;
mod disk_full;
mod documents;
mod environment;
mod flow;
mod gateway;
mod hang_ups;
mod hostile;
mod instances;
mod logs;
mod monitoring;
mod notifications;
mod outage;
mod privacy;
mod races;
mod readme;
mod reads;
mod replicas;
mod sessions;
mod set_up;
mod strictness;
mod summaries;
mod unfinished;
mod writes_hang;
