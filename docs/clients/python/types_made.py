"""The types that the generator makes of the API documents of services to which users write.

Nothing runs this. mypy refuses it when a document promises something else.
"""

from datetime import datetime
from typing import Literal, assert_type

from forum_posts_client.models import (
    InvalidRecordProblem,
    MemberError,
    NewPost,
    Post,
    PostPatch,
    PostReplacement,
    PostSummary,
)
from forum_posts_client.types import Unset
from forum_threads_client.models import Thread
from forum_threads_client.types import Unset as NotInThread
from forum_users_client.models import User
from forum_users_client.types import Unset as NotInUser


def user(user: User) -> None:
    assert_type(user.id, int)
    assert_type(user.username, str)
    assert_type(user.name, str)
    assert_type(user.bio, str)
    assert_type(user.created_at, datetime | NotInUser)
    assert_type(user.updated_at, datetime | NotInUser)


def thread(thread: Thread) -> None:
    assert_type(thread.id, int)
    assert_type(thread.title, str)
    assert_type(thread.created_by, int)
    assert_type(thread.created_at, datetime | NotInThread)
    assert_type(thread.updated_at, datetime | NotInThread)


def post(post: Post, new: NewPost, replacement: PostReplacement, patch: PostPatch) -> None:
    assert_type(post.id, int)
    assert_type(post.thread, int)
    assert_type(post.text, str)
    assert_type(post.user, int)
    assert_type(post.created_at, datetime | Unset)
    assert_type(post.updated_at, datetime | Unset)
    assert_type(new.user, int | Unset)
    assert_type(replacement.text, str)
    assert_type(replacement.user, int | Unset)
    assert_type(patch.text, str | Unset)


def summary(summary: PostSummary) -> None:
    assert_type(summary.posts, int)
    assert_type(summary.last_post, int | Unset)
    assert_type(summary.last_post_at, datetime | Unset)


def problem(problem: InvalidRecordProblem) -> None:
    assert_type(problem.type_, Literal["urn:forum:problem:invalid-record"])
    assert_type(problem.status, Literal[422])
    assert_type(problem.errors, list[MemberError])
