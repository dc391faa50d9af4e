//! Clients that read the list of all posts slowly while posts are changed.

mod long {
    use std::{
        sync::atomic::{AtomicU64, Ordering::Relaxed},
        thread,
    };

    use serde_json::json;
    use testkit::{Binary, Request, Task};

    const TOKEN: &str = "a-token-for-the-tests-of-slow-readers";

    const POSTS: u64 = 200_000;

    /// Lists that nobody reads to the end.
    const LISTS: usize = 24;

    /// Posts that are changed behind each of them, far apart.
    const CHANGES: u64 = 500;

    /// Times as many before.
    const WARM_UP: usize = 8;

    const WRITERS: usize = 8;

    fn change(task: &Task, number: &AtomicU64) {
        let end = number.load(Relaxed) + CHANGES;
        let write = || {
            let mut connection = task.connect();
            loop {
                let number = number.fetch_add(1, Relaxed);
                if number >= end {
                    return;
                }
                let target = format!("/api/posts/{}", number * 7919 % POSTS + 1);
                let request = Request::new("PATCH", &target)
                    .header("Authorization", format!("Bearer {TOKEN}"))
                    .body("application/json", json!({"user": number + 1}).to_string());
                assert_eq!(connection.ask(&request).status, 200);
            }
        };
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(write);
            }
        });
    }

    #[test]
    #[ignore = "takes minutes: changes thousands of posts among 200,000"]
    fn slow_readers_of_a_large_collection_hold_no_more_than_it_has() {
        let text = "x".repeat(150);
        let post = |id| json!({"id": id, "thread": 1, "text": text, "user": 1}).to_string();
        let posts: Vec<_> = (1..=POSTS).map(post).collect();
        let db = format!("{{\"posts\":[{}]}}", posts.join(","));
        let collection = db.len();
        let task = Binary::new(env!("CARGO_BIN_EXE_posts"))
            .db(db)
            .env("WRITE_TOKEN", TOKEN)
            .env("MAX_COLLECTION_BYTES", "100000000")
            .env("RUST_LOG", "info,access=off")
            .start();
        let number = AtomicU64::new(0);
        // Until all pages were replaced once: those of the start were another thread's, whose
        // memory the writer does not take again.
        for _ in 0..WARM_UP {
            change(&task, &number);
        }
        let before = task.memory_bytes();
        let mut lists = Vec::new();
        for _ in 0..LISTS {
            lists.push(task.unread("/api/posts"));
            change(&task, &number);
        }
        let after = task.memory_bytes();
        println!(
            "{LISTS} lists: from {} to {} MiB",
            before >> 20,
            after >> 20
        );
        assert!(
            after < before + 2 * collection,
            "from {before} to {after} bytes"
        );
    }
}
