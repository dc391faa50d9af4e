//! HTTP between clients of all kinds and a service without a load balancer.

mod behind_nginx;
mod connections;
mod early_answers;
mod framing;
mod heads;
mod idle;
