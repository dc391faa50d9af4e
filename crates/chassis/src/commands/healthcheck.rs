//! Asks the running service for its health. The images have no shell for a container health
//! check, so the binary checks itself.

use std::{
    io::{BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream},
    time::Duration,
};

use anyhow::{Context, bail};

use crate::config::Config;

/// Longest wait for each step. Container health checks allow five seconds by default.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks whether the service with this configuration is alive.
///
/// # Errors
/// When it does not answer 200.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    let mut address = config.address();
    address.set_ip(match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    });
    let status_line = || {
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        write!(
            stream,
            "GET /health/live HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        std::io::Result::Ok(line)
    };
    let line = status_line().with_context(|| format!("no answer from {address}"))?;
    match line.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => bail!("{address} answered {:?}", line.trim_end()),
    }
}
