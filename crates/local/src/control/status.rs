//! What `local status` and the table at the start show.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::alb::listener::{Action, Listener};
use crate::topology::ServiceDefinition;

/// The whole cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The URL for clients.
    pub url: String,
    /// The rules in the order in which they are tried, with the default action at the end.
    pub rules: Vec<RuleStatus>,
    /// The services, in the order of their rules.
    pub services: Vec<ServiceStatus>,
    /// Parameters that matter only in the cloud, with the services that share their values.
    pub cloud_only: Vec<(Vec<String>, String)>,
}

/// A listener rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStatus {
    /// `None` for the default action.
    pub priority: Option<u16>,
    /// One of these must match the path.
    pub path_patterns: Vec<String>,
    /// The target group or the fixed response.
    pub action: String,
}

/// A service and its target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub service: String,
    /// How many tasks should run.
    pub desired: usize,
    /// Its tasks, in any state.
    pub tasks: Vec<TaskStatus>,
    /// Set while the next start is delayed.
    pub backing_off: Option<BackingOff>,
}

/// A task and its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Its number within the service. A target that is not a task of this cluster has none.
    pub task: Option<u32>,
    /// Its process.
    pub pid: Option<u32>,
    /// The address that it listens at, once it does.
    pub target: Option<SocketAddr>,
    /// `starting`, `stopping`, or one of the ALB's target states.
    pub health: String,
}

/// A delayed start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackingOff {
    /// Starts that failed in a row.
    pub failures: u32,
    /// Until the next start.
    pub seconds: u64,
}

/// The rules of a listener, as they are shown.
#[must_use]
pub fn rules(listener: &Listener) -> Vec<RuleStatus> {
    let show = |priority, path_patterns, action: &Action| RuleStatus {
        priority,
        path_patterns,
        action: action.to_string(),
    };
    listener
        .rules()
        .map(|rule| {
            let patterns = rule.path_patterns.iter().map(ToString::to_string).collect();
            show(Some(rule.priority), patterns, &rule.action)
        })
        .chain([show(None, vec!["*".to_owned()], listener.default_action())])
        .collect()
}

/// The parameters that matter only in the cloud, with the services that share their values.
#[must_use]
pub fn cloud_only(services: &[ServiceDefinition]) -> Vec<(Vec<String>, String)> {
    let mut groups: Vec<(Vec<String>, String)> = Vec::new();
    for service in services {
        let parameters: Vec<_> = service
            .cloud_only
            .iter()
            .map(|(key, value)| format!("{key} {value}"))
            .collect();
        let parameters = parameters.join(", ");
        match groups.iter_mut().find(|(_, other)| *other == parameters) {
            Some((names, _)) => names.push(service.name.clone()),
            None => groups.push((vec![service.name.clone()], parameters)),
        }
    }
    groups
}
