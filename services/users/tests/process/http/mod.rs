//! A service without a load balancer before it, and clients of all kinds.

mod behind_nginx;
mod connections;
mod early_answers;
mod framing;
mod heads;
mod idle;
