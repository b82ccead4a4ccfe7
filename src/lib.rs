//! ringdesk: the daemon beside a telephone exchange that turns every answered call into the right ticket.

pub mod archive;
pub mod assembly;
pub mod call;
pub mod causes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crm;
pub mod delivery;
pub mod demo;
pub mod desk;
pub mod directory;
pub mod dispatch;
pub mod fields;
pub mod journal;
pub mod lifecycle;
pub mod log;
pub mod observe;
pub mod pbx;
pub mod phonebook;
pub mod replay;
pub mod rules;
pub mod run;
pub mod sandbox;
pub mod status;
pub mod web;
