//! The address that the load balancer listens at: port 80, or 8080 when 80 cannot be used.

use std::io;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use tokio::net::TcpListener;

/// The port of HTTP, and the one used when that cannot be.
const PORT: u16 = 80;
const OTHER_PORT: u16 = 8080;

/// A bound listener.
pub struct ListenSocket {
    /// Accepts clients.
    pub listener: TcpListener,
    /// Why the port is not 80, if 80 was tried.
    pub note: Option<String>,
}

impl ListenSocket {
    /// Listens at `port`. Without one, listens at 80, or at 8080 when 80 cannot be used.
    ///
    /// # Errors
    /// When it can listen at none of them.
    pub async fn open(host: IpAddr, port: Option<u16>) -> Result<Self> {
        if let Some(port) = port {
            let listener = TcpListener::bind((host, port)).await.with_context(|| {
                format!(
                    "cannot listen at {}: choose another --port",
                    SocketAddr::new(host, port)
                )
            })?;
            return Ok(Self {
                listener,
                note: None,
            });
        }
        let why = match TcpListener::bind((host, PORT)).await {
            Ok(listener) => {
                return Ok(Self {
                    listener,
                    note: None,
                });
            }
            Err(error) => match error.kind() {
                io::ErrorKind::AddrInUse => "is in use".to_owned(),
                io::ErrorKind::PermissionDenied => {
                    "needs a permission that this user lacks".to_owned()
                }
                _ => format!("cannot be used ({error})"),
            },
        };
        let listener = TcpListener::bind((host, OTHER_PORT))
            .await
            .with_context(|| {
                format!(
                    "port {PORT} {why}, and cannot listen at {}: choose a --port",
                    SocketAddr::new(host, OTHER_PORT)
                )
            })?;
        Ok(Self {
            listener,
            note: Some(format!("port {PORT} {why}: using {OTHER_PORT}")),
        })
    }

    /// The URL that a client on this machine uses.
    ///
    /// # Errors
    /// When the system does not tell the socket's address.
    pub fn url(&self) -> Result<String> {
        let addr = self
            .listener
            .local_addr()
            .context("cannot tell where the load balancer listens")?;
        let named = addr.ip() == IpAddr::from([127, 0, 0, 1]) || addr.ip().is_unspecified();
        Ok(match (named, addr.port()) {
            (true, PORT) => "http://localhost".to_owned(),
            (true, port) => format!("http://localhost:{port}"),
            (false, _) => format!("http://{addr}"),
        })
    }
}
