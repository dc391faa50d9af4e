//! A binary and what it is started with.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{BufReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use tempfile::TempDir;

use crate::{
    cgroup::Cgroup,
    issuer::{self, SigningKey},
    task::{Ended, Task},
};

/// The number of the user `nobody` on most systems.
const NOBODY: u32 = 65534;

/// A binary and what it is started with. Its environment holds only `PORT=0` and
/// `HOST=127.0.0.1`, and its working directory is new and empty. It can be started again after its
/// end, or several times at once.
#[derive(Debug, Clone)]
pub struct Binary {
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    user: Option<u32>,
    dir: Arc<TempDir>,
}

impl Binary {
    /// The binary at `path`. In the tests of the binary's crate that is
    /// `env!("CARGO_BIN_EXE_name")`.
    ///
    /// # Panics
    /// When its directory cannot be created.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            args: Vec::new(),
            env: Vec::new(),
            user: None,
            dir: Arc::new(TempDir::new().expect("a temporary directory")),
        }
        .env("PORT", "0")
        .env("HOST", "127.0.0.1")
    }

    /// Writes the `db.json` in its directory, which a service reads by default.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn db(self, text: impl AsRef<[u8]>) -> Self {
        fs::write(self.db_path(), text).expect("the test's directory can be written");
        self
    }

    /// Lets users write whose tokens are signed with one of these keys, which a file in its
    /// directory holds.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn users(self, keys: &[&SigningKey]) -> Self {
        let path = self.dir().join("jwks.json");
        fs::write(&path, issuer::key_set(keys)).expect("the test's directory can be written");
        let settings = issuer::settings(&path).into_iter();
        settings.fold(self, |binary, (name, value)| binary.env(name, value))
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.env.push((name, value));
        self
    }

    /// Starts it without root's rights: as `nobody` when root runs the tests, otherwise as the
    /// user who does.
    #[must_use]
    pub fn unprivileged(mut self) -> Self {
        self.user = rustix::process::geteuid().is_root().then_some(NOBODY);
        self
    }

    /// Starts it in this control group.
    #[must_use]
    pub fn in_cgroup(mut self, group: &Cgroup) -> Self {
        let script = "echo $$ > \"$0\" && exec \"$@\"";
        let program = std::mem::replace(&mut self.path, "/bin/sh".into());
        let before = [
            "-c".into(),
            script.into(),
            group.entrance().into(),
            program.into(),
        ];
        self.args.splice(..0, before);
        self
    }

    /// Its working directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The `db.json` in its working directory.
    #[must_use]
    pub fn db_path(&self) -> PathBuf {
        self.dir().join("db.json")
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it ends, or is not ready within the deadline.
    #[must_use]
    pub fn start(&self) -> Task {
        let task = self.start_unready();
        task.logged("ready");
        task
    }

    /// Starts it with this standard input and waits until it is ready.
    ///
    /// # Panics
    /// When it ends, or is not ready within the deadline.
    #[must_use]
    pub fn start_reading(&self, stdin: impl Into<Stdio>) -> Task {
        let task = Task::start(self.command().stdin(stdin), Arc::clone(&self.dir));
        task.logged("ready");
        task
    }

    /// Starts it and waits until it listens. Its collection may not be loaded yet.
    ///
    /// # Panics
    /// When it ends, or does not say where it listens within the deadline.
    #[must_use]
    pub fn start_unready(&self) -> Task {
        Task::start(&mut self.command(), Arc::clone(&self.dir))
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not end within the deadline.
    #[must_use]
    pub fn run(&self) -> Ended {
        Task::spawn(&mut self.command(), Arc::clone(&self.dir)).wait()
    }

    /// Starts it with `theirs` as its standard output, and reads the other end, `ours`, until it is
    /// ready. [`Task::stdout`] has the lines up to then. The test may read later lines or not.
    ///
    /// # Panics
    /// When it ends, or is not ready within the deadline.
    #[must_use]
    pub fn start_onto<R>(&self, theirs: impl Into<Stdio>, ours: R) -> (Task, BufReader<R>)
    where
        R: Read + Send + 'static,
    {
        let mut command = self.command();
        command.stdout(theirs);
        Task::start_onto(command, ours, Arc::clone(&self.dir))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir())
            .stdin(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user);
        }
        command
    }
}
