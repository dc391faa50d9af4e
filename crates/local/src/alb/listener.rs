//! The listener: its rules, and which of them a request's path matches.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use crate::alb::path_pattern::PathPattern;
use crate::alb::target_group::TargetGroup;

/// The priorities of the listener's own fixed responses, which no other rule may take.
pub const RESERVED_PRIORITIES: RangeInclusive<u16> = 1..=2;

/// The rules of a load balancer's one listener.
pub struct Listener {
    /// Sorted by priority, the lowest number first.
    rules: Vec<Rule>,
    default_action: Action,
}

/// What to do with requests whose path matches one of the patterns.
pub struct Rule {
    /// Unique; the lowest number is tried first.
    pub priority: u16,
    /// The condition.
    pub path_patterns: Vec<PathPattern>,
    /// What happens then.
    pub action: Action,
}

/// What a rule does with a request.
pub enum Action {
    /// Sends it to a target of the group.
    Forward(Arc<TargetGroup>),
    /// Answers it.
    FixedResponse(FixedResponse),
}

/// An answer that the load balancer gives by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedResponse {
    /// 2xx, 4xx or 5xx.
    pub status: StatusCode,
    /// One of the five that the ALB allows. For JSON that is only `application/json`.
    pub content_type: &'static str,
    /// At most 1024 bytes.
    pub body: Bytes,
}

impl Listener {
    /// The forum's listener: the rules of its services, two fixed responses that clients of the
    /// tutorial's monolith expect, and a fixed 404 for all other paths.
    #[must_use]
    pub fn new(mut rules: Vec<Rule>) -> Self {
        let text = |body| FixedResponse {
            status: StatusCode::OK,
            content_type: "text/plain",
            body: Bytes::from_static(body),
        };
        let fixed = |priority, paths: &[&str], response| Rule {
            priority,
            path_patterns: paths
                .iter()
                .filter_map(|path| PathPattern::parse(path).ok())
                .collect(),
            action: Action::FixedResponse(response),
        };
        rules.extend([
            fixed(1, &["/"], text(b"Ready to receive requests")),
            fixed(
                2,
                &["/api", "/api/"],
                text(b"API ready to receive requests"),
            ),
        ]);
        let not_found = FixedResponse {
            status: StatusCode::NOT_FOUND,
            content_type: "application/json",
            body: Bytes::from_static(
                br#"{"type":"urn:forum:problem:not-found","title":"Not Found","status":404,"detail":"no service has this path"}"#,
            ),
        };
        Self::with_rules(rules, Action::FixedResponse(not_found))
    }

    fn with_rules(mut rules: Vec<Rule>, default_action: Action) -> Self {
        rules.sort_by_key(|rule| rule.priority);
        Self {
            rules,
            default_action,
        }
    }

    /// The action for a request to `path`: that of the first rule that matches, else the default.
    #[must_use]
    pub fn action(&self, path: &str) -> &Action {
        self.rules
            .iter()
            .find(|rule| {
                rule.path_patterns
                    .iter()
                    .any(|pattern| pattern.matches(path))
            })
            .map_or(&self.default_action, |rule| &rule.action)
    }

    /// The rules, first to last.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// What happens when no rule matches.
    #[must_use]
    pub fn default_action(&self) -> &Action {
        &self.default_action
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(group) => f.write_str(&group.name),
            Self::FixedResponse(fixed) => write!(f, "fixed {}", fixed.status.as_u16()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn rule(priority: u16, patterns: &[&str]) -> Rule {
        let group = TargetGroup::for_tests(&priority.to_string());
        let path_patterns = patterns
            .iter()
            .map(|p| PathPattern::parse(p).unwrap())
            .collect();
        Rule {
            priority,
            path_patterns,
            action: Action::Forward(group),
        }
    }

    #[test]
    fn the_rule_with_the_lowest_number_wins_whatever_the_order_of_writing() {
        let default = Action::Forward(TargetGroup::for_tests("default"));
        let listener = Listener::with_rules(
            vec![
                rule(30, &["/api/*"]),
                rule(10, &["/api/users", "/api/users/*"]),
                rule(20, &["/api/users*", "/x"]),
            ],
            default,
        );
        for (path, expected) in [
            ("/api/users", "10"),
            ("/api/users/1", "10"),
            ("/api/users/1/posts", "10"),
            ("/api/users-old", "20"),
            ("/x", "20"),
            ("/api/posts", "30"),
            ("/api/", "30"),
            ("/API/users", "default"),
            ("/api", "default"),
            ("/", "default"),
            ("", "default"),
            ("*", "default"),
        ] {
            assert_eq!(listener.action(path).to_string(), expected, "{path}");
        }
    }

    #[test]
    fn the_forum_has_fixed_responses_beside_its_services() {
        let directory =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/services");
        let services = crate::topology::load(&directory).unwrap();
        let rules = services
            .iter()
            .map(|service| service.rule(service.target_group()));
        let listener = Listener::new(rules.collect());
        // The templates are tested with the same table, so that the cloud and this machine route
        // alike. A row with NAME holds for every service.
        let table = directory.join("../tests/paths.json");
        let table: Vec<BTreeMap<String, String>> =
            serde_json::from_str(&std::fs::read_to_string(table).unwrap()).unwrap();
        assert!(table.len() > 20);
        for row in table {
            for service in &services {
                let path = row["path"].replace("NAME", &service.name);
                let expected = match &*row["target"] {
                    "root" | "api" => "fixed 200",
                    "default" => "fixed 404",
                    "NAME" => &service.name,
                    other => panic!("unknown target {other}"),
                };
                assert_eq!(listener.action(&path).to_string(), expected, "{path}");
            }
        }
        let Action::FixedResponse(not_found) = listener.default_action() else {
            panic!("not fixed")
        };
        let problem: serde_json::Value = serde_json::from_slice(&not_found.body).unwrap();
        assert_eq!(problem["status"], not_found.status.as_u16());
    }
}
