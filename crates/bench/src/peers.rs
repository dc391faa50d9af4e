//! The servers that ours is compared with.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

use crate::{
    answers::Answer,
    context::Context,
    machine::callgrind::Callgrind,
    server::{Listens, Server, binary, free_port, root},
};

/// The name of the other build's servers.
const OTHER: &str = "ours, other build";

/// A build of our services.
#[derive(Debug, Clone)]
pub struct Build {
    pub name: &'static str,
    directory: PathBuf,
}

impl Build {
    /// The binary of a service.
    pub fn binary(&self, service: &str) -> anyhow::Result<PathBuf> {
        let path = self.directory.join(service);
        ensure!(path.exists(), "{} does not exist", path.display());
        Ok(path)
    }
}

impl Context {
    /// This build, and behind it the other one if there is one.
    pub fn builds(&self) -> anyhow::Result<Vec<Build>> {
        let ours = binary("bench")?.with_file_name("");
        let builds = [("ours", Some(ours)), (OTHER, self.other.clone())];
        let builds = builds.into_iter().filter_map(|(name, directory)| {
            Some(Build {
                name,
                directory: directory?,
            })
        });
        Ok(builds.collect())
    }

    /// A service of a build on a file, with more settings.
    pub fn start_build(
        &self,
        build: &Build,
        service: &str,
        db: &Path,
        set: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Server> {
        let mut command = service_on(&build.binary(service)?, db);
        set(&mut command);
        self.serving(build.name, command)
    }

    /// A service of a build on a file, which may use both cores.
    pub fn start_on_both(&self, build: &Build, service: &str, db: &Path) -> anyhow::Result<Server> {
        let mut command = service_on(&build.binary(service)?, db);
        let cores = self.cores.both();
        let server = Server::start(
            build.name,
            &mut command,
            Listens::Announced,
            &cores,
            self.dir(),
        )?;
        server.ready()?;
        Ok(server)
    }

    /// A service on a file, whose instructions are counted.
    pub fn start_counted(
        &self,
        name: &'static str,
        callgrind: &Callgrind,
        program: &Path,
        db: &Path,
        set: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Server> {
        let mut command = callgrind.command(program);
        serve(&mut command, db);
        set(&mut command);
        self.serving(name, command)
    }

    /// One of our services on a file.
    pub fn ours(&self, service: &str, db: &Path) -> anyhow::Result<Server> {
        self.ours_with("ours", service, db, |_| {})
    }

    /// One of our services on a file, under another name and with more settings.
    pub fn ours_with(
        &self,
        name: &'static str,
        service: &str,
        db: &Path,
        set: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Server> {
        let mut command = service_on(&binary(service)?, db);
        set(&mut command);
        self.serving(name, command)
    }

    fn serving(&self, name: &'static str, mut command: Command) -> anyhow::Result<Server> {
        let server = self.start(name, &mut command, Listens::Announced)?;
        server.ready()?;
        Ok(server)
    }

    /// A bare server that answers plain and conditional requests for `targets` as `of` does.
    pub fn bare(
        &self,
        kind: &'static str,
        of: &Server,
        targets: &[String],
    ) -> anyhow::Result<Server> {
        let mut answers = Vec::new();
        for target in targets {
            let plain = Answer::ask(of.addr, target, "")?;
            let tag = plain.header("etag").context("ours has entity tags")?;
            let condition = format!("If-None-Match: {tag}\r\n");
            let mut again = Answer::ask(of.addr, target, &condition)?;
            again.conditional = true;
            answers.extend([plain, again]);
        }
        let path = self.dir().join(format!("answers-{kind}.json"));
        fs::write(&path, serde_json::to_vec(&answers)?)?;
        let mut command = Command::new(binary("bench")?);
        command.arg("peer").arg(kind).arg(path);
        let name = if kind == "hyper" {
            "bare hyper"
        } else {
            "bare axum"
        };
        self.start(name, &mut command, Listens::Announced)
    }

    /// Koa on a file, if it is installed.
    pub fn koa(&self, collection: &str, db: &Path) -> anyhow::Result<Option<Server>> {
        let dir = root().join("crates/bench/peers/koa");
        if !self.installed(
            "Koa",
            &dir.join("node_modules"),
            "npm ci --prefix crates/bench/peers/koa",
        ) {
            return Ok(None);
        }
        let mut command = Command::new("node");
        command.arg(dir.join("server.js")).arg(collection).arg(db);
        command.env("NODE_ENV", "production");
        self.start("Koa", &mut command, Listens::Announced)
            .map(Some)
    }

    /// json-server on a copy of a file, which it may rewrite, if it is installed.
    pub fn json_server(&self, db: &Path) -> anyhow::Result<Option<Server>> {
        let dir = root().join("crates/bench/peers/json-server");
        let install = "npm ci --prefix crates/bench/peers/json-server";
        if !self.installed("json-server", &dir.join("node_modules"), install) {
            return Ok(None);
        }
        let port = free_port()?;
        let copy = self.dir().join(format!("json-server-{port}.json"));
        fs::copy(db, &copy)?;
        // In production mode it serves files from this directory.
        fs::create_dir_all(self.dir().join("public"))?;
        let mut command = Command::new("node");
        command
            .arg(dir.join("node_modules/json-server/lib/bin.js"))
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(copy)
            .current_dir(self.dir())
            .env("NODE_ENV", "production");
        let mut server = self.start("json-server", &mut command, Listens::On(port))?;
        server.prefix = "";
        Ok(Some(server))
    }

    /// nginx with files, if it is installed.
    pub fn nginx_files(&self, files: &[(&str, &str)]) -> anyhow::Result<Option<Server>> {
        let dir = self.dir().join("nginx-files");
        fs::create_dir_all(&dir)?;
        let mut locations = String::new();
        for (number, (path, content)) in files.iter().enumerate() {
            let file = dir.join(format!("{number}.json"));
            fs::write(&file, content)?;
            let _ = write!(
                locations,
                "location = {path} {{ alias {}; add_header Cache-Control no-cache; \
                 add_header X-Content-Type-Options nosniff; }} ",
                file.display()
            );
        }
        self.nginx("nginx, files", &dir, &locations, "")
    }

    /// nginx as a proxy, if it is installed.
    pub fn nginx_proxy(&self, target: &Server) -> anyhow::Result<Option<Server>> {
        let dir = self.dir().join("nginx-proxy");
        fs::create_dir_all(&dir)?;
        let upstream = format!(
            "upstream service {{ server {}; keepalive 128; keepalive_requests 1000000000; }}",
            target.addr
        );
        let location = "location / { proxy_pass http://service; proxy_http_version 1.1; \
            proxy_set_header Connection ''; proxy_set_header Host $host; \
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; \
            proxy_set_header X-Forwarded-Proto $scheme; \
            proxy_set_header X-Forwarded-Port $server_port; }";
        self.nginx("nginx, proxy", &dir, location, &upstream)
    }

    fn nginx(
        &self,
        name: &'static str,
        dir: &Path,
        locations: &str,
        upstream: &str,
    ) -> anyhow::Result<Option<Server>> {
        let found = Command::new("nginx")
            .arg("-v")
            .stderr(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            self.skip("nginx", "apt-get install nginx-light");
            return Ok(None);
        }
        let port = free_port()?;
        let at = dir.display();
        // One process with a buffered access log, like ours, and a cache of open files.
        let config = format!(
            "daemon off; master_process off; error_log stderr; pid {at}/pid;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log {at}/access.log combined buffer=64k flush=1s;\n\
             default_type application/json; sendfile on; keepalive_requests 1000000000;\n\
             open_file_cache max=100; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;\n\
             fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
             {upstream}\nserver {{ listen 127.0.0.1:{port};\n{locations} }} }}\n"
        );
        let path = dir.join("nginx.conf");
        fs::write(&path, config)?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(dir).arg("-c").arg(path);
        let mut server = self.start(name, &mut command, Listens::On(port))?;
        server.log = Some(dir.join("access.log"));
        Ok(Some(server))
    }

    /// Our load balancer before services, by their names.
    pub fn alb(&self, targets: &[(&str, &Server)]) -> anyhow::Result<Server> {
        let port = free_port()?;
        let mut command = Command::new(binary("local")?);
        command
            .args(["alb", "--host", "127.0.0.1", "--port", &port.to_string()])
            .arg("--root")
            .arg(root());
        for (name, target) in targets {
            command
                .arg("--target")
                .arg(format!("{name}={}", target.addr));
        }
        let server = self.start("local alb", &mut command, Listens::On(port))?;
        for (name, _) in targets {
            server.answers(&format!("/api/{name}"))?;
        }
        Ok(server)
    }

    fn installed(&self, name: &str, needs: &Path, install: &str) -> bool {
        let found = needs.exists();
        if !found {
            self.skip(name, install);
        }
        found
    }
}

/// A service's binary on this file.
fn service_on(build: &Path, db: &Path) -> Command {
    let mut command = Command::new(build);
    command.env_clear();
    serve(&mut command, db);
    command
}

/// Adds the arguments with which a service serves this file.
fn serve(command: &mut Command, db: &Path) {
    command
        .args(["--host", "127.0.0.1", "--port", "0", "--db"])
        .arg(db);
}
