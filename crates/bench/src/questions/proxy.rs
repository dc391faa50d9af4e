//! Our load balancer beside nginx as a proxy, both before one of our services.

pub mod pages;

use crate::{
    client::{Traffic, get},
    context::Context,
    server::root,
};

/// What a proxied request costs the proxy.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    let db = root().join("services/users/db.json");
    let service = context.ours("users", &db)?;
    let alb = context.alb(&[("users", &service)])?;
    let nginx = context.nginx_proxy(&service)?;
    for (name, target) in [("small list", "/api/users"), ("one record", "/api/users/1")] {
        let servers: Vec<_> = [Some(&alb), nginx.as_ref()]
            .into_iter()
            .flatten()
            .map(|server| (server, Traffic::new(&[get(target, "")], 64, 1, 200)))
            .collect();
        let title = format!("As a proxy: {name}, 64 connections");
        let text = "Processor time of the proxy alone. Both keep connections to the service open \
                    and share its core with it.";
        context.compare(&title, text, "nginx, proxy", &servers)?;
    }
    Ok(())
}
