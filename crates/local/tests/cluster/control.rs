//! Clients of the control socket that send no request.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::cluster::Setup;
use crate::support::descriptors;

#[tokio::test]
async fn clients_that_ask_nothing_keep_nobody_waiting() {
    const SILENT: usize = 300;
    let cluster = Setup::new().start().await;
    let before = descriptors(cluster.pid());
    let mut silent = Vec::new();
    for index in 0..SILENT {
        let mut client = UnixStream::connect(&cluster.socket).await.unwrap();
        if index % 2 == 0 {
            client.write_all(b"\"sta").await.unwrap();
        }
        silent.push(client);
    }
    let start = Instant::now();
    assert_eq!(cluster.status().await.services.len(), 3);
    // Served one after the other, with a second for each, they would take minutes.
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    assert!(descriptors(cluster.pid()) < before + SILENT / 2);
    for mut client in silent {
        assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0, "left");
    }
}
