//! The load balancer: rules, target groups, targets and their health; knows nothing of tasks.

pub mod check;
pub mod health;
pub mod listen_socket;
pub mod listener;
pub mod path_pattern;
pub mod proxy;
pub mod target;
pub mod target_group;
pub mod wire;
