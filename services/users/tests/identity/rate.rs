//! How often a user may write.

use crate::{SERVICE_KEY, edit, key, moderator, problem, service, token_of};

#[test]
fn too_many_writes_a_minute_are_refused_of_users_and_moderators_alone() {
    let task = service().env("USER_WRITES_PER_MINUTE", "2").start();
    for (user, token) in [(3, token_of(3)), (4, key().token(&moderator(4)))] {
        assert_eq!(edit(&task, user, &token).status, 200);
        assert_eq!(edit(&task, user, &token).status, 200);
        let refused = edit(&task, user, &token);
        assert_eq!(problem(&refused).0, "too-many-requests");
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=30).contains(&seconds), "{seconds}");
    }
    // A second token of the same user changes nothing.
    let mut other = crate::claims(3);
    other["jti"] = "another".into();
    assert_eq!(edit(&task, 3, &key().token(&other)).status, 429);
    for _ in 0..5 {
        assert_eq!(edit(&task, 3, SERVICE_KEY).status, 200);
    }
}

#[test]
fn a_user_who_may_not_write_this_is_counted_and_one_with_a_bad_token_is_not() {
    let task = service().env("USER_WRITES_PER_MINUTE", "1").start();
    for _ in 0..3 {
        assert_eq!(edit(&task, 3, &format!("{}x", token_of(3))).status, 401);
    }
    assert_eq!(edit(&task, 4, &token_of(3)).status, 403);
    assert_eq!(edit(&task, 3, &token_of(3)).status, 429);
}
