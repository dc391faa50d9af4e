//! The table: rules, target groups, targets and their health, within 80 columns.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::control::status::{ClusterStatus, ServiceStatus, TaskStatus};
use crate::event::Tone;

/// The colour of a tone, on a terminal that shows colours.
#[must_use]
pub fn style(tone: Tone) -> Style {
    match tone {
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Change => AnsiColor::Yellow.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
        Tone::Quiet => Style::new().dimmed(),
    }
}

/// The lines of one column.
type Column = Vec<(String, Style)>;

/// Draws the table, with the codes of its colours.
#[must_use]
pub fn draw(status: &ClusterStatus) -> String {
    let heading = Style::new().bold();
    let mut table = String::new();
    let _ = writeln!(table, "{heading}{}{heading:#}\n", status.url);
    let width = addr_width(status);
    let _ = writeln!(
        table,
        "{heading}{:<7} {:<18} {:<12} {:<4} {:<width$} {:<9} PID{heading:#}",
        "RULE", "PATH", "TARGET GROUP", "TASK", "TARGET", "HEALTH"
    );
    for rule in &status.rules {
        let priority = rule
            .priority
            .map_or_else(|| "default".to_owned(), |p| p.to_string());
        let service = status
            .services
            .iter()
            .find(|service| service.service == rule.action);
        let targets = service
            .map(|service| targets(service, width))
            .unwrap_or_default();
        for line in 0..rule.path_patterns.len().max(targets.len()) {
            let first = |text: &str| {
                if line == 0 {
                    text.to_owned()
                } else {
                    String::new()
                }
            };
            let path = rule.path_patterns.get(line).map_or("", String::as_str);
            let (target, style) = targets.get(line).cloned().unwrap_or_default();
            let (rule, group) = (first(&priority), first(&rule.action));
            let left = format!("{rule:<7} {:<18} {group:<12}", cut(path, 18));
            let _ = if target.is_empty() {
                writeln!(table, "{}", left.trim_end())
            } else {
                writeln!(table, "{left} {style}{target}{style:#}")
            };
        }
    }
    let quiet = style(Tone::Quiet);
    for (services, parameters) in &status.cloud_only {
        let whose = if status.cloud_only.len() > 1 {
            format!(" ({})", services.join(", "))
        } else {
            String::new()
        };
        let _ = writeln!(table, "\n{quiet}cloud only{whose}: {parameters}{quiet:#}");
    }
    table
}

/// Most addresses fit into 15 characters. Longer ones occur only in a load balancer without tasks, whose
/// table has room for them.
fn addr_width(status: &ClusterStatus) -> usize {
    let tasks = status.services.iter().flat_map(|service| &service.tasks);
    tasks
        .filter_map(|task| Some(task.target?.to_string().len()))
        .fold(15, usize::max)
}

fn targets(service: &ServiceStatus, width: usize) -> Column {
    let mut rows: Column = service
        .tasks
        .iter()
        .map(|task| target(task, width))
        .collect();
    if let Some(backing_off) = service.backing_off {
        let text = format!(
            "{} starts did not last, next in {} s",
            backing_off.failures, backing_off.seconds
        );
        rows.push((text, style(Tone::Bad)));
    } else if rows.is_empty() {
        rows.push(("none".to_owned(), style(Tone::Bad)));
    }
    rows
}

fn target(task: &TaskStatus, width: usize) -> (String, Style) {
    let number = task
        .task
        .map(|number| number.to_string())
        .unwrap_or_default();
    let addr = task.target.map(|addr| addr.to_string()).unwrap_or_default();
    let pid = task.pid.map(|pid| pid.to_string()).unwrap_or_default();
    let tone = match task.health.as_str() {
        "healthy" => Tone::Good,
        "unhealthy" => Tone::Bad,
        _ => Tone::Change,
    };
    let row = format!("{number:<4} {addr:<width$} {:<9} {pid}", task.health);
    (row.trim_end().to_owned(), style(tone))
}

/// Cuts a text to at most so many characters. The last one then shows that something was cut.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::status::{BackingOff, RuleStatus};

    fn plain(status: &ClusterStatus) -> String {
        anstream::adapter::strip_str(&draw(status)).to_string()
    }

    fn status() -> ClusterStatus {
        let rule = |priority, path_patterns: &[&str], action: &str| RuleStatus {
            priority,
            path_patterns: path_patterns.iter().map(ToString::to_string).collect(),
            action: action.to_owned(),
        };
        let task = |number, health: &str| TaskStatus {
            task: Some(number),
            pid: Some(4_194_304),
            target: Some("127.0.0.1:65535".parse().unwrap()),
            health: health.to_owned(),
        };
        let service = |name: &str, tasks, backing_off| ServiceStatus {
            service: name.to_owned(),
            desired: 2,
            tasks,
            backing_off,
        };
        ClusterStatus {
            url: "http://localhost:8080".to_owned(),
            rules: vec![
                rule(Some(1), &["/"], "fixed 200"),
                rule(Some(10), &["/api/users", "/api/users/*"], "users"),
                rule(
                    Some(20),
                    &["/api/threads", "/api/threads/and/more/*"],
                    "threads",
                ),
                rule(Some(30), &["/api/posts"], "posts"),
                rule(None, &["*"], "fixed 404"),
            ],
            services: vec![
                service(
                    "users",
                    vec![
                        task(1, "healthy"),
                        task(1234, "unhealthy"),
                        task(3, "draining"),
                    ],
                    None,
                ),
                service(
                    "threads",
                    vec![],
                    Some(BackingOff {
                        failures: 12,
                        seconds: 60,
                    }),
                ),
                service("posts", vec![], None),
            ],
            cloud_only: vec![(vec!["users".to_owned()], "Cpu 128, Memory 64".to_owned())],
        }
    }

    #[test]
    fn the_table_shows_rules_targets_and_health_within_80_columns() {
        let table = plain(&status());
        assert!(table.lines().all(|line| line.chars().count() <= 80));
        assert_eq!(
            table,
            "\
http://localhost:8080

RULE    PATH               TARGET GROUP TASK TARGET          HEALTH    PID
1       /                  fixed 200
10      /api/users         users        1    127.0.0.1:65535 healthy   4194304
        /api/users/*                    1234 127.0.0.1:65535 unhealthy 4194304
                                        3    127.0.0.1:65535 draining  4194304
20      /api/threads       threads      12 starts did not last, next in 60 s
        /api/threads/and/…
30      /api/posts         posts        none
default *                  fixed 404

cloud only: Cpu 128, Memory 64
"
        );
    }

    #[test]
    fn services_that_differ_are_named_beside_what_only_the_cloud_acts_on() {
        let mut status = status();
        status
            .cloud_only
            .push((vec!["posts".to_owned()], "Cpu 256, Memory 64".to_owned()));
        let table = plain(&status);
        assert!(
            table.contains("cloud only (users): Cpu 128, Memory 64\n"),
            "{table}"
        );
        assert!(
            table.contains("cloud only (posts): Cpu 256, Memory 64\n"),
            "{table}"
        );
    }
}
