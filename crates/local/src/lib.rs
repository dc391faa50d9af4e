//! ECS and an Application Load Balancer on one machine, for laptops and tests.
//!
//! Terms, numbers and behaviour are those of ECS and the ALB. Where the code differs on purpose, a
//! comment says so. The crate knows services only by their command line and by HTTP.
//!
//! Start reading at [`cluster::run`], which runs everything, or at [`standalone::run`], which runs only
//! the load balancer. Decisions are made by state without input or output: [`alb::listener`] chooses
//! the rule, [`alb::target_group`] the target, [`alb::health`] decides whether a target is healthy, and
//! [`ecs::service`] which tasks start and stop. [`alb::proxy`], [`alb::check`], [`ecs::scheduler`] and
//! [`ecs::task`] carry the decisions out.

pub mod alb;
pub mod cluster;
pub mod config;
pub mod control;
pub mod ecs;
pub mod event;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod issuer;
pub mod keys;
pub mod signals;
pub mod standalone;
pub mod terminal;
pub mod topology;
