//! ECS and an Application Load Balancer on one machine, for laptops and tests.
//!
//! Words, numbers and behaviour are those of ECS and the ALB; a difference on purpose says so where
//! it is. Services are known by their command line and by HTTP alone.
//!
//! Start at [`cluster::run`]: everything; [`standalone::run`] is the load balancer alone. What decides
//! is pure state: [`alb::listener`] (which rule), [`alb::target_group`] (whose turn), [`alb::health`]
//! (what checks make of a target), [`ecs::service`] (which tasks to start and stop). What acts on it:
//! [`alb::proxy`], [`alb::check`], [`ecs::scheduler`], [`ecs::task`].

pub mod alb;
pub mod cluster;
pub mod config;
pub mod control;
pub mod ecs;
pub mod event;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod signals;
pub mod standalone;
pub mod terminal;
