//! What all questions share.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    client::Traffic,
    machine::Cores,
    pairs::{Effort, Sample, measure},
    report::Table,
    server::{Listens, Server, root},
};

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Ask every question with tiny counts and write nothing, to show that the bench works
    #[arg(long)]
    pub brief: bool,

    /// Slices that each server gets of each kind of traffic
    #[arg(long, default_value_t = 21)]
    pub rounds: usize,

    /// Directory with the services of another build, to measure beside these
    #[arg(long, value_name = "DIR")]
    pub other: Option<PathBuf>,

    /// Directory for the servers' files, on a disk that nothing else uses: what the block layer
    /// writes is then counted as well [default: cargo's target directory]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// What all questions share: the machine, a directory, how much to measure,
/// and the answers so far.
pub struct Context {
    pub cores: Cores,
    pub brief: bool,
    pub effort: Effort,
    /// The directory of the other build to measure, if there is one.
    pub other: Option<PathBuf>,
    /// Whether the directory is on a disk that nothing else uses.
    pub own_disk: bool,
    dir: TempDir,
    tables: RefCell<Vec<Table>>,
    bars: RefCell<Vec<(String, f64)>>,
    memory_bars: RefCell<Vec<(String, f64)>>,
    skipped: RefCell<BTreeMap<String, String>>,
}

impl Context {
    pub fn new(how: How) -> anyhow::Result<Self> {
        let How {
            brief,
            rounds,
            other,
            dir,
        } = how;
        let own_disk = dir.is_some();
        // By default in cargo's target directory, which is on a disk; /tmp often is not.
        let dir = tempfile::tempdir_in(dir.unwrap_or_else(|| root().join("target")))?;
        let effort = if brief {
            Effort {
                rounds: 1,
                slice: Duration::from_millis(20),
            }
        } else {
            Effort {
                rounds,
                slice: Duration::from_millis(250),
            }
        };
        Ok(Self {
            cores: Cores::take()?,
            brief,
            effort,
            other,
            own_disk,
            dir,
            tables: RefCell::default(),
            bars: RefCell::default(),
            memory_bars: RefCell::default(),
            skipped: RefCell::default(),
        })
    }

    /// A directory of this run alone.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// One of two numbers: the second in a brief run.
    pub fn amount<T>(&self, full: T, brief: T) -> T {
        if self.brief { brief } else { full }
    }

    pub fn start(
        &self,
        name: &'static str,
        command: &mut Command,
        listens: Listens,
    ) -> anyhow::Result<Server> {
        Server::start(name, command, listens, &self.cores, self.dir())
    }

    /// Notes that a peer is missing.
    pub fn skip(&self, name: &str, install: &str) {
        let mut skipped = self.skipped.borrow_mut();
        skipped.insert(name.to_owned(), install.to_owned());
    }

    pub fn add(&self, table: Table) {
        println!("{}", table.markdown());
        self.tables.borrow_mut().push(table);
    }

    /// Adds a bar to the plot of processor time.
    pub fn bar(&self, name: &str, value: f64) {
        self.bars.borrow_mut().push((name.to_owned(), value));
    }

    /// Adds a bar to the plot of memory.
    pub fn memory_bar(&self, name: &str, value: f64) {
        self.memory_bars.borrow_mut().push((name.to_owned(), value));
    }

    pub fn memory_bars(&self) -> Vec<(String, f64)> {
        self.memory_bars.borrow().clone()
    }

    /// Measures servers in pairs and adds a table. Ratios are to the server named `base`.
    pub fn compare(
        &self,
        title: &str,
        text: &str,
        base: &str,
        servers: &[(&Server, Traffic)],
    ) -> anyhow::Result<Vec<Vec<Sample>>> {
        let pairs: Vec<_> = servers
            .iter()
            .map(|(server, traffic)| (*server, traffic))
            .collect();
        let samples = measure(&pairs, self.effort)?;
        let names: Vec<_> = servers.iter().map(|(server, _)| server.name).collect();
        let base = names.iter().position(|name| *name == base).unwrap_or(0);
        self.add(Table::of_servers(title, text, &names, &samples, base));
        Ok(samples)
    }

    /// The whole report.
    pub fn markdown(&self, head: &str) -> String {
        let mut out = head.to_owned();
        for (name, install) in &*self.skipped.borrow() {
            let _ = write!(
                out,
                "{name} is not installed and was left out; `{install}` installs it.\n\n"
            );
        }
        for table in &*self.tables.borrow() {
            out += &table.markdown();
            out.push('\n');
        }
        out
    }

    pub fn bars(&self) -> Vec<(String, f64)> {
        self.bars.borrow().clone()
    }
}
