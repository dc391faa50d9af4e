//! The topology: reads `deploy/services/*.json`.
//!
//! `CloudFormation` reads the same files as parameters of a stack. Every value is a string; a list
//! is comma-joined.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::alb::health::HealthCheck;
use crate::alb::listener::{Action, RESERVED_PRIORITIES, Rule};
use crate::alb::path_pattern::PathPattern;
use crate::alb::target_group::TargetGroup;

/// Parameters that matter only in the cloud. `local` shows them and does not act on them.
const CLOUD_ONLY: [&str; 5] = ["ContainerPort", "MinTasks", "MaxTasks", "Cpu", "Memory"];

/// One service, its target group and its listener rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDefinition {
    /// Name of the service, of its target group and of its program.
    pub name: String,
    /// The rule's condition: one of these must match the path.
    pub path_patterns: Vec<PathPattern>,
    /// The rule's priority; the lowest number is tried first.
    pub rule_priority: u16,
    /// How targets are checked.
    pub health_check: HealthCheck,
    /// How long a draining target may take to finish the requests under way.
    pub deregistration_delay: Duration,
    /// How many tasks should run.
    pub desired_count: u32,
    /// Parameters `local` does not act on, with their values.
    pub cloud_only: Vec<(&'static str, String)>,
}

impl ServiceDefinition {
    /// The service's target group, without targets.
    #[must_use]
    pub fn target_group(&self) -> Arc<TargetGroup> {
        Arc::new(TargetGroup::new(
            self.name.clone(),
            self.health_check.clone(),
            self.deregistration_delay,
        ))
    }

    /// The service's listener rule: it forwards to `group`.
    #[must_use]
    pub fn rule(&self, group: Arc<TargetGroup>) -> Rule {
        Rule {
            priority: self.rule_priority,
            path_patterns: self.path_patterns.clone(),
            action: Action::Forward(group),
        }
    }
}

/// Reads every `*.json` in `directory`, in the order of the rules.
///
/// # Errors
/// When there is no file, or `CloudFormation` or the ALB would refuse one. The message names the file,
/// the parameter and what was expected.
pub fn load(directory: &Path) -> Result<Vec<ServiceDefinition>> {
    let entries = fs::read_dir(directory)
        .with_context(|| format!("cannot read the topology directory {}", directory.display()))?;
    let mut services: Vec<ServiceDefinition> = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", directory.display()))?
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let service = parse(&text).with_context(|| path.display().to_string())?;
            ensure!(
                path.file_stem()
                    .is_some_and(|stem| stem == service.name.as_str()),
                "{}: Service is {:?}, and the file must be named after it",
                path.display(),
                service.name
            );
            services.push(service);
        }
    }
    ensure!(
        !services.is_empty(),
        "{} has no NAME.json: no service to run",
        directory.display()
    );
    services.sort_by(|one, other| {
        let order = one.rule_priority.cmp(&other.rule_priority);
        order.then_with(|| one.name.cmp(&other.name))
    });
    if let Some([one, other]) = services
        .array_windows()
        .find(|[one, other]| one.rule_priority == other.rule_priority)
    {
        bail!(
            "{}: RulePriority {} belongs to {} and to {}: each rule needs its own, give one of them another",
            directory.display(),
            one.rule_priority,
            one.name,
            other.name
        );
    }
    Ok(services)
}

/// The error message for a name that no service has.
#[must_use]
pub fn no_service(name: &str, definitions: &[ServiceDefinition]) -> String {
    let names: Vec<_> = definitions
        .iter()
        .map(|definition| definition.name.as_str())
        .collect();
    format!(
        "no service {name:?} in the topology, only {}",
        names.join(", ")
    )
}

/// Reads one file's text.
pub(crate) fn parse(text: &str) -> Result<ServiceDefinition> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "PascalCase")]
    struct File {
        parameters: Parameters,
    }
    let File { parameters: mut p } = serde_json::from_str(text)?;

    let name = p.take("Service")?;
    ensure!(
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
        "Service: expected a lower-case name such as \"users\", found {name:?}"
    );
    let path_patterns = path_patterns(&p.take("PathPatterns")?)?;
    let rule_priority = p.number("RulePriority", 1..=50_000)?;
    let rule_priority = u16::try_from(rule_priority).context("RulePriority")?;
    ensure!(
        !RESERVED_PRIORITIES.contains(&rule_priority),
        "RulePriority: {rule_priority} belongs to the listener's fixed responses, take another"
    );
    let path = p.take("HealthCheckPath")?;
    ensure!(
        path.parse::<http::uri::PathAndQuery>().is_ok() && path.starts_with('/'),
        "HealthCheckPath: expected a path such as \"/health/ready\", found {path:?}"
    );
    let health_check = HealthCheck {
        path,
        interval: p.seconds("HealthCheckIntervalSeconds", 5..=300)?,
        timeout: p.seconds("HealthCheckTimeoutSeconds", 2..=120)?,
        healthy_threshold: p.threshold("HealthyThresholdCount")?,
        unhealthy_threshold: p.threshold("UnhealthyThresholdCount")?,
    };
    ensure!(
        health_check.timeout < health_check.interval,
        "HealthCheckTimeoutSeconds: expected less than HealthCheckIntervalSeconds ({}), found {}",
        health_check.interval.as_secs(),
        health_check.timeout.as_secs()
    );
    let deregistration_delay = p.seconds("DeregistrationDelaySeconds", 0..=3600)?;
    let desired_count = p.number("DesiredCount", 0..=1000)?;
    let cloud_only = CLOUD_ONLY
        .into_iter()
        .map(|key| Ok((key, p.take(key)?)))
        .collect::<Result<Vec<_>>>()?;
    if let Some(key) = p.0.keys().next() {
        bail!(
            "{key}: unknown parameter: remove it, or add it to every program that reads this file"
        );
    }
    Ok(ServiceDefinition {
        name,
        path_patterns,
        rule_priority,
        health_check,
        deregistration_delay,
        desired_count,
        cloud_only,
    })
}

/// Reads the patterns within the ALB's limits: 3 values for a condition, 5 wildcards for a rule.
fn path_patterns(list: &str) -> Result<Vec<PathPattern>> {
    let patterns = list
        .split(',')
        .map(|text| PathPattern::parse(text).with_context(|| format!("PathPatterns: {text:?}")))
        .collect::<Result<Vec<_>>>()?;
    ensure!(
        patterns.len() <= 3,
        "PathPatterns: expected at most 3 patterns, found {}",
        patterns.len()
    );
    let wildcards: usize = patterns.iter().map(PathPattern::wildcards).sum();
    ensure!(
        wildcards <= 5,
        "PathPatterns: expected at most 5 of * and ?, found {wildcards}"
    );
    Ok(patterns)
}

/// The parameters of a file that have not been read yet.
struct Parameters(BTreeMap<String, String>);

impl Parameters {
    fn take(&mut self, key: &str) -> Result<String> {
        self.0
            .remove(key)
            .with_context(|| format!("{key}: missing; every file must have it"))
    }

    fn number(&mut self, key: &str, range: RangeInclusive<u32>) -> Result<u32> {
        let text = self.take(key)?;
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u32>() {
            Ok(number) if digits && range.contains(&number) => Ok(number),
            _ => bail!(
                "{key}: expected a whole number from {} to {}, found {text:?}",
                range.start(),
                range.end()
            ),
        }
    }

    fn seconds(&mut self, key: &str, range: RangeInclusive<u32>) -> Result<Duration> {
        Ok(Duration::from_secs(self.number(key, range)?.into()))
    }

    fn threshold(&mut self, key: &str) -> Result<NonZeroU32> {
        NonZeroU32::new(self.number(key, 2..=10)?).with_context(|| key.to_owned())
    }
}

impl<'de> Deserialize<'de> for Parameters {
    /// Written by hand, because a derived map accepts a key twice and does not name the key whose value
    /// is not a string.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Parameters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut parameters = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let value: serde_json::Value = map.next_value()?;
                    let serde_json::Value::String(value) = value else {
                        return Err(de::Error::custom(format!(
                            "{key}: expected a string, found {value}"
                        )));
                    };
                    if parameters.insert(key.clone(), value).is_some() {
                        return Err(de::Error::custom(format!("{key}: said twice")));
                    }
                }
                Ok(Parameters(parameters))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests;
