//! ECS and an Application Load Balancer on one machine, for laptops and tests.
//!
//! Words, numbers and behaviour are those of ECS and the ALB; a difference on purpose says so where
//! it is. Services are known by their command line and by HTTP alone.
//!
//! Start at [`cluster::run`]. What decides is pure state: [`listener`] (which rule), [`target_group`]
//! (whose turn), [`health`] (what checks make of a target), [`service`] (which tasks to start and
//! stop). What acts on it: [`proxy`], [`check`], [`scheduler`], [`task`].

pub mod access;
pub mod alb;
pub mod answer;
pub mod body;
pub mod check;
pub mod cluster;
pub mod config;
pub mod connections;
pub mod control;
pub mod data;
pub mod event;
pub mod front_door;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod headers;
pub mod health;
pub mod listener;
pub mod path_pattern;
pub mod printer;
pub mod program;
pub mod proxy;
pub mod response_body;
pub mod scheduler;
pub mod server;
pub mod service;
pub mod signals;
pub mod socket;
pub mod status;
pub mod table;
pub mod target;
pub mod target_group;
pub mod task;
pub mod topology;
