//! Early answers through nginx as a reverse proxy.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use testkit::{Request, Task, eventually};

use crate::with_users;

/// nginx in front of a task. Killed when dropped.
struct Nginx {
    process: Child,
    /// The Unix socket at which it listens, because nginx cannot choose a free port.
    socket: PathBuf,
}

impl Nginx {
    /// Passes requests on while their bodies arrive, and keeps connections to the task.
    fn start(task: &Task, directory: &Path) -> Self {
        let (addr, at) = (task.addr(), directory.display());
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};"))
            .concat();
        let configuration = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/errors;
            events {{}}
            http {{
                access_log off; client_max_body_size 0; proxy_request_buffering off; {temporary}
                upstream task {{ server {addr}; keepalive 4; }}
                server {{
                    listen unix:{at}/nginx;
                    location / {{
                        proxy_pass http://task; proxy_http_version 1.1;
                        proxy_set_header Connection '';
                    }}
                }}
            }}"
        );
        let file = directory.join("nginx.conf");
        fs::write(&file, configuration).unwrap();
        let process = Command::new("/usr/sbin/nginx")
            .args(["-e", "stderr", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .expect("needs nginx: apt-get install nginx");
        let socket = directory.join("nginx");
        eventually("nginx listens", || UnixStream::connect(&socket).is_ok());
        Self { process, socket }
    }

    /// The status of the answer to a request.
    fn ask(&self, request: &[u8]) -> u16 {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        // Fails when nginx stops reading after it has the answer.
        let _ = stream.write_all(request);
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status: {line:?}"))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs nginx"]
fn an_early_answer_does_not_become_a_502() {
    const TOKEN: &str = "nginx-0123456789abcdef";
    let task = with_users(0).env("WRITE_TOKEN", TOKEN).start();
    let directory = tempfile::tempdir().unwrap();
    let nginx = Nginx::start(&task, directory.path());
    let body = vec![b'x'; 8 * 1024 * 1024];
    let post = || Request::new("POST", "/api/users");
    for (status, request) in [
        (401, post()),
        (405, Request::new("PUT", "/api/users")),
        (404, Request::new("POST", "/nothing/here")),
        (
            413,
            post().header("Authorization", format!("Bearer {TOKEN}")),
        ),
    ] {
        let request = request.body("application/json", &body[..]).to_bytes();
        for _ in 0..10 {
            assert_eq!(nginx.ask(&request), status);
        }
    }
}
