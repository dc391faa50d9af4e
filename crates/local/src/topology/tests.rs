use super::*;

const USERS: &str = r#"{"Parameters": {
    "Service": "users", "PathPatterns": "/api/users,/api/users/*", "RulePriority": "10",
    "ContainerPort": "3000",
    "HealthCheckPath": "/health/ready", "HealthCheckIntervalSeconds": "6", "HealthCheckTimeoutSeconds": "5",
    "HealthyThresholdCount": "2", "UnhealthyThresholdCount": "2", "DeregistrationDelaySeconds": "15",
    "DesiredCount": "2", "MinTasks": "2", "MaxTasks": "10", "Cpu": "128", "Memory": "64"
}}"#;

#[test]
fn a_file_says_what_it_says() {
    let users = parse(USERS).unwrap();
    assert_eq!(users.name, "users");
    assert_eq!(users.path_patterns.len(), 2);
    assert_eq!((users.rule_priority, users.desired_count), (10, 2));
    assert_eq!(users.health_check.interval, Duration::from_secs(6));
    assert_eq!(users.deregistration_delay, Duration::from_secs(15));
    assert!(users.cloud_only.contains(&("Memory", "64".to_owned())));
}

#[test]
fn a_bad_file_is_refused_with_the_name_of_the_parameter() {
    for (from, to, message) in [
        (
            "\"Cpu\"",
            "\"Gpu\"",
            "Cpu: missing; every file must have it",
        ),
        (
            "\"Cpu\": \"128\"",
            "\"Cpu\": \"128\", \"Gpu\": \"1\"",
            "Gpu: unknown parameter",
        ),
        (
            "\"Cpu\": \"128\"",
            "\"Cpu\": \"128\", \"Cpu\": \"1\"",
            "Cpu: said twice",
        ),
        ("\"10\"", "10", "RulePriority: expected a string, found 10"),
        (
            "\"10\"",
            "\"0\"",
            "RulePriority: expected a whole number from 1 to 50000, found \"0\"",
        ),
        ("\"10\"", "\"+7\"", "RulePriority: expected a whole number"),
        (
            "\"10\"",
            "\"2\"",
            "RulePriority: 2 belongs to the listener's fixed responses",
        ),
        (
            "Seconds\": \"6\"",
            "Seconds\": \"4\"",
            "HealthCheckIntervalSeconds: expected a whole number from 5",
        ),
        (
            "Seconds\": \"5\"",
            "Seconds\": \"6\"",
            "HealthCheckTimeoutSeconds: expected less than",
        ),
        (
            "\"15\"",
            "\"-1\"",
            "DeregistrationDelaySeconds: expected a whole number from 0 to 3600",
        ),
        (
            "/health/ready",
            "health",
            "HealthCheckPath: expected a path",
        ),
        (
            "\"users\"",
            "\"../users\"",
            "Service: expected a lower-case name",
        ),
        (
            "/api/users,",
            "/api/users,,",
            "PathPatterns: \"\": is empty",
        ),
        (
            "/api/users,",
            "/a,/b,/c,",
            "PathPatterns: expected at most 3 patterns, found 4",
        ),
        (
            "/api/users,",
            "/*????,",
            "PathPatterns: expected at most 5 of * and ?, found 6",
        ),
        (
            "{\"Parameters\"",
            "{\"Tags\": {}, \"Parameters\"",
            "unknown field `Tags`",
        ),
        ("}}", "}", "EOF"),
    ] {
        let text = USERS.replacen(from, to, 1);
        assert_ne!(text, USERS, "{from}");
        let error = format!("{:#}", parse(&text).unwrap_err());
        assert!(error.contains(message), "{message}\n  in: {error}");
    }
}

#[test]
fn files_are_refused_together_when_they_clash() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let error = || format!("{:#}", load(directory.path()).unwrap_err());
    assert!(error().contains("has no NAME.json"));

    write("users.json", USERS);
    write("README.md", "not topology");
    assert_eq!(load(directory.path()).unwrap().len(), 1);

    write("threads.json", &USERS.replace("\"users\"", "\"threads\""));
    assert!(
        error().contains("RulePriority 10 belongs to threads and to users: each rule"),
        "{}",
        error()
    );

    write("threads.json", &USERS.replace("\"10\"", "\"5\""));
    assert!(error().contains("Service is \"users\", and the file must be named after it"));

    write(
        "threads.json",
        &USERS
            .replace("\"users\"", "\"threads\"")
            .replace("\"10\"", "\"5\""),
    );
    let names: Vec<_> = load(directory.path())
        .unwrap()
        .into_iter()
        .map(|s| s.name)
        .collect();
    assert_eq!(names, ["threads", "users"], "lowest priority number first");
}

#[test]
fn the_files_of_this_repository_are_good() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/services");
    assert!(load(&directory).unwrap().len() >= 3);
}
