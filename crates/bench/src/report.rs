//! The results as Markdown.

use std::fmt::Write;

use crate::pairs::{Sample, Spread};

/// A table with a heading and notes.
#[derive(Debug)]
pub struct Table {
    pub title: String,
    pub text: String,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(title: impl Into<String>, text: impl Into<String>, head: &[&str]) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
            head: head.iter().map(|&cell| cell.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// A table of servers that were measured in pairs with the same traffic. Ratios are to the
    /// server in row `base`, round by round.
    pub fn of_servers(
        title: &str,
        text: &str,
        names: &[&str],
        samples: &[Vec<Sample>],
        base: usize,
    ) -> Self {
        let ratio = format!("× {}", names[base]);
        let head = ["", "µs/request", &ratio, "requests/s", "p50 µs", "p99 µs"];
        let mut table = Self::new(title, text, &head);
        for (name, of) in names.iter().zip(samples) {
            let median = |value: fn(&Sample) -> f64| Spread::of(of.iter().map(value)).median;
            table.rows.push(vec![
                (*name).to_owned(),
                Spread::of(of.iter().map(|sample| sample.cpu_us)).show(2),
                Spread::ratio(of, &samples[base]).show(2),
                format!("{:.0}", median(|sample| sample.per_second)),
                format!("{:.0}", median(|sample| sample.p50_us)),
                format!("{:.0}", median(|sample| sample.p99_us)),
            ]);
        }
        table
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub fn markdown(&self) -> String {
        let mut out = format!("## {}\n\n", self.title);
        if !self.text.is_empty() {
            let _ = write!(out, "{}\n\n", self.text);
        }
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            for cell in cells {
                let _ = write!(out, "| {cell} ");
            }
            out.push_str("|\n");
        };
        line(&mut self.head.iter().map(String::as_str));
        let first = std::iter::once("---");
        line(&mut first.chain(std::iter::repeat_n("--:", self.head.len() - 1)));
        for row in &self.rows {
            line(&mut row.iter().map(String::as_str));
        }
        out
    }
}

impl Spread {
    /// `1.15 (1.12–1.18)`
    pub fn show(&self, digits: usize) -> String {
        let Self { low, median, high } = self;
        format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }
}

/// Bytes as MiB.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}
