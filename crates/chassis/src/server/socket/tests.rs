use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::Wake,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::server::connections::Admitted;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// A socket and the client's end.
async fn pair() -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let client = client.await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let activity = Arc::new(Activity::new(Instant::now()));
    (Socket::new(stream, activity, Connections::new(1)), client)
}

/// How many bytes the client has received by now. Loopback delivers at once.
fn received(client: &std::net::TcpStream) -> usize {
    client.peek(&mut [0; 64]).unwrap_or(0)
}

/// Lets the socket read when there is nothing to read.
async fn nothing_to_read(socket: &mut Socket) {
    let mut byte = [0];
    tokio::select! {
        biased;
        read = socket.read(&mut byte) => panic!("{read:?}"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn answers_are_sent_when_no_request_is_left() {
    let (mut socket, mut client) = pair().await;
    client.write_all(REQUEST).await.unwrap();
    socket.read_exact(&mut [0; REQUEST.len()]).await.unwrap();
    let client = client.into_std().unwrap();
    for _ in 0..3 {
        socket.write_all(b"answer").await.unwrap();
        socket.flush().await.unwrap();
    }
    assert_eq!(received(&client), 0);
    nothing_to_read(&mut socket).await;
    assert_eq!(received(&client), 18);
    // Nobody has to read again, so a flush sends.
    socket.write_all(b"answer").await.unwrap();
    socket.flush().await.unwrap();
    assert_eq!(received(&client), 24);
}

#[tokio::test]
async fn what_is_held_back_is_bounded_and_goes_first() {
    let (mut socket, mut client) = pair().await;
    client.write_all(REQUEST).await.unwrap();
    socket.read_exact(&mut [0; REQUEST.len()]).await.unwrap();
    let large = vec![b'x'; HELD_BYTES_MAX];
    socket.write_all(b"first").await.unwrap();
    socket.write_all(&large).await.unwrap();
    assert!(socket.held.is_empty());
    socket.write_all(b"last").await.unwrap();
    let mut all = Vec::new();
    let reading = async {
        client.read_to_end(&mut all).await.unwrap();
        drop(client);
    };
    let (ended, ()) = tokio::join!(socket.shutdown(), reading);
    ended.unwrap();
    assert!(all.starts_with(b"firstx") && all.ends_with(b"xlast"));
    assert_eq!(all.len(), large.len() + 9);
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// What reading a few bytes comes to, and how often the task is woken at once.
fn poll_read(socket: &mut Socket) -> (Poll<usize>, usize) {
    let wakes = Arc::new(Wakes::default());
    let task = Arc::clone(&wakes).into();
    let mut bytes = [0; 8];
    let mut buf = ReadBuf::new(&mut bytes);
    let read = Pin::new(socket).poll_read(&mut Context::from_waker(&task), &mut buf);
    let read = read.map(|read| read.map(|()| buf.filled().len()).unwrap());
    (read, wakes.0.load(Relaxed))
}

/// Another connection that holds all that there is, and whose request is being answered.
fn fill(connections: &Connections) -> Admitted {
    let place = connections.admit(0, Instant::now()).unwrap();
    place.activity.request_began();
    connections.buffer(&place.activity, 64 * 1024 * 1024);
    place
}

#[tokio::test]
async fn while_all_is_full_and_nothing_can_be_closed_a_socket_does_not_spin() {
    let (mut socket, mut client) = pair().await;
    let part = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; OWN_BYTES]].concat();
    client.write_all(&part).await.unwrap();
    nothing_to_read(&mut socket).await;
    assert!(socket.unparsed.buffered() > OWN_BYTES);
    let place = fill(&socket.connections);
    socket.activity.request_began();
    assert_eq!(poll_read(&mut socket), (Poll::Pending, 0));
    // When the other connection can be closed, its memory is free a moment later.
    place.activity.request_ended(Instant::now());
    assert_eq!(poll_read(&mut socket), (Poll::Pending, 1));
}

#[tokio::test]
async fn while_all_is_full_bodies_are_read() {
    let (mut socket, mut client) = pair().await;
    // Arrives behind a part of a head, so that hyper's buffer grows.
    let heads = REQUEST.repeat(2 * READ_BYTES_MAX / REQUEST.len());
    client.write_all(&heads[..1]).await.unwrap();
    nothing_to_read(&mut socket).await;
    client.write_all(&heads[1..]).await.unwrap();
    socket.read_exact(&mut vec![0; heads.len()]).await.unwrap();
    assert!(!socket.unparsed.waits() && socket.unparsed.buffered() > OWN_BYTES);
    let _place = fill(&socket.connections);
    socket.activity.request_began();
    client.write_all(b"{}").await.unwrap();
    socket.activity.set_body(2);
    socket.stream.readable().await.unwrap();
    assert_eq!(poll_read(&mut socket), (Poll::Ready(2), 0));
}

/// A connection with small buffers: the server's end, and the client's.
async fn connected() -> (Socket, TcpStream) {
    let small = || {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(16 * 1024).unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket
    };
    let server = small();
    server.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = server.listen(1).unwrap();
    let client = small().connect(listener.local_addr().unwrap());
    let (client, server) = tokio::join!(client, listener.accept());
    let activity = Arc::new(Activity::new(Instant::now()));
    let server = Socket::new(server.unwrap().0, activity, Connections::new(1));
    (server, client.unwrap())
}

/// Whether a client that reads so many bytes every ten seconds gets all of a long answer.
async fn answered(bytes: usize) -> io::Result<()> {
    let (mut socket, mut client) = connected().await;
    let reading = async {
        let mut taken = vec![0; bytes];
        loop {
            tokio::time::sleep(Duration::from_secs(10)).await;
            client.read_exact(&mut taken).await.unwrap();
        }
    };
    let answer = vec![0; 4 * 1024 * 1024];
    tokio::select! {
        wrote = socket.write_all(&answer) => wrote,
        () = reading => unreachable!("it reads forever"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_or_a_byte_now_and_then_is_cut_off() {
    for bytes in [0, 16 * 1024] {
        let cut_off = tokio::time::timeout(Duration::from_mins(10), answered(bytes)).await;
        let error = cut_off.expect("kept waiting").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_time_is_not_cut_off() {
    assert!(answered(256 * 1024).await.is_ok());
}
