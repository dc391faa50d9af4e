//! ECS and an Application Load Balancer on one machine.

fn main() {}
