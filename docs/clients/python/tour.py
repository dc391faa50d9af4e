"""What a program asks of the forum, with clients made from its API documents.

The program checks what it gets, and .ci/clients runs it.
usage: tour.py USERS THREADS POSTS TOKEN
where the first three are the addresses of the services, such as http://localhost:3000;
behind a load balancer they are the same.
"""

import os
import sys
from collections.abc import Iterator
from http import HTTPStatus

from forum_posts_client import AuthenticatedClient as Posts
from forum_posts_client import Client as AnonymousPosts
from forum_posts_client.api.posts import (
    create_post,
    delete_post,
    get_post,
    list_posts,
    list_posts_by_thread,
    list_posts_by_user,
    patch_post,
    replace_post,
    summarize_posts,
)
from forum_posts_client.models import (
    InvalidParameterProblem,
    NewPost,
    NotFoundProblem,
    Post,
    PostPatch,
    PostReplacement,
    PreconditionFailedProblem,
    Sort,
    UnauthorizedProblem,
)
from forum_posts_client.types import UNSET
from forum_threads_client import AuthenticatedClient as Threads
from forum_threads_client.api.threads import create_thread, list_threads
from forum_threads_client.models import NewThread, Thread
from forum_users_client import AuthenticatedClient as Users
from forum_users_client.api.users import create_user, list_users
from forum_users_client.models import ConflictProblem, InvalidRecordProblem, NewUser, User

users_url, threads_url, posts_url, token = sys.argv[1:]
# Without `raise_on_unexpected_status`, an answer that the document does not list is None.
users = Users(users_url, token, raise_on_unexpected_status=True)
threads = Threads(threads_url, token, raise_on_unexpected_status=True)
posts = Posts(posts_url, token, raise_on_unexpected_status=True)


def create() -> tuple[User, Thread, list[Post]]:
    body = NewUser(username=f"tour-py-{os.getpid()}", name="A guest", bio="")
    user = create_user.sync(client=users, body=body)
    assert isinstance(user, User), user
    thread = create_thread.sync(client=threads, body=NewThread(title="A tour", created_by=user.id))
    assert isinstance(thread, Thread), thread
    created = []
    for text in ["first", "second", "third", "fourth", "fifth"]:
        new = NewPost(thread=thread.id, text=text, user=user.id)
        answer = create_post.sync_detailed(client=posts, body=new)
        post = answer.parsed
        assert isinstance(post, Post), post
        assert answer.headers["Location"] == f"/api/posts/{post.id}"
        assert post.created_at == post.updated_at
        created.append(post)
    return user, thread, created


def read(id: int) -> tuple[Post, str]:
    """Reads a record, and again if it has changed since."""
    first = get_post.sync_detailed(id, client=posts)
    assert isinstance(first.parsed, Post), first
    etag = first.headers["ETag"]
    again = get_post.sync_detailed(id, client=posts, if_none_match=etag)
    assert again.status_code == HTTPStatus.NOT_MODIFIED
    assert again.parsed is None
    return first.parsed, etag


def edit(id: int) -> None:
    """Edits a post that nobody else edits at the same time."""
    post, etag = read(id)
    # A whole record may be sent back, with its id and its times.
    body = PostReplacement.from_dict(post.to_dict() | {"text": "replaced"})
    answer = replace_post.sync_detailed(id, client=posts, body=body, if_match=etag)
    assert isinstance(answer.parsed, Post), answer
    assert answer.parsed.text == "replaced"

    # The post has a new entity tag now.
    late = patch_post.sync(id, client=posts, body=PostPatch(text="too late"), if_match=etag)
    assert isinstance(late, PreconditionFailedProblem), late

    etag = answer.headers["ETag"]
    patched = patch_post.sync(id, client=posts, body=PostPatch(text="patched"), if_match=etag)
    assert isinstance(patched, Post), patched
    assert (patched.text, patched.thread, patched.user) == ("patched", post.thread, post.user)
    assert patched.created_at == post.created_at


def pages(thread: int, limit: int) -> Iterator[list[Post]]:
    """The posts of a thread, a page at a time."""
    after = 0
    while True:
        answer = list_posts_by_thread.sync_detailed(thread, client=posts, limit=limit, after=after)
        page = answer.parsed
        assert isinstance(page, list), page
        yield page
        # The header names the next page, while there is one.
        if not page or "Link" not in answer.headers:
            return
        after = page[-1].id


def page(thread: int, expected: list[Post]) -> None:
    seen = [[post.text for post in page] for page in pages(thread, 2)]
    texts = [post.text for post in expected]
    assert seen == [texts[:2], texts[2:4], texts[4:]], seen


def filter_lists(user: User, thread: Thread, ids: list[int]) -> None:
    # In the order of their ids, and without those that do not exist.
    some = list_posts.sync(client=posts, id=[ids[3], ids[0], 2**53 - 1])
    assert isinstance(some, list), some
    assert [post.text for post in some] == ["first", "fourth"]

    named = list_users.sync(client=users, username=user.username)
    assert isinstance(named, list), named
    assert [found.id for found in named] == [user.id]

    begun = list_threads.sync(client=threads, created_by=user.id)
    assert isinstance(begun, list), begun
    assert [found.id for found in begun] == [thread.id]

    newest = list_posts.sync_detailed(
        client=posts, thread=thread.id, user=user.id, sort=Sort.NEWEST_FIRST, limit=1
    )
    assert isinstance(newest.parsed, list), newest
    assert [post.text for post in newest.parsed] == ["fifth"]
    assert newest.headers["X-Total-Count"] == "5"

    theirs = list_posts_by_user.sync(user.id, client=posts)
    assert isinstance(theirs, list), theirs
    assert len(theirs) == 5


def summarize(thread: Thread, ids: list[int]) -> None:
    """What a list of threads shows of each, in one request."""
    rows = summarize_posts.sync(client=posts, thread=[thread.id, 2**53 - 1])
    assert isinstance(rows, list), rows
    assert [(row.posts, row.last_post) for row in rows] == [(len(ids), ids[-1]), (0, UNSET)]


def explain(username: str, name: str) -> str:
    """Says what went wrong, as a form would."""
    match create_user.sync(client=users, body=NewUser(username=username, name=name, bio="")):
        case User():
            return "Welcome!"
        case InvalidRecordProblem(errors=errors):
            return "\n".join(f"{member.pointer}: {member.detail}" for member in errors)
        case ConflictProblem():
            return "This name is taken."
        case None:
            return "The document does not list this answer."
        case problem:
            return f"{problem.title} (request {problem.request_id})"


def fail(user: User) -> None:
    wrong = explain("No Spaces", "").splitlines()
    assert [line.split(":")[0] for line in wrong] == ["/username", "/name"], wrong
    assert explain(user.username, "Somebody else") == "This name is taken."

    stranger = Posts(posts_url, "not-the-token", raise_on_unexpected_status=True)
    refused = delete_post.sync(1, client=stranger)
    assert isinstance(refused, UnauthorizedProblem), refused
    assert refused.status == 401

    anonymous = AnonymousPosts(posts_url, raise_on_unexpected_status=True)
    missing = get_post.sync_detailed(2**53 - 1, client=anonymous)
    assert isinstance(missing.parsed, NotFoundProblem), missing
    assert missing.parsed.request_id == missing.headers["X-Request-Id"]

    bad = list_posts_by_thread.sync(1, client=anonymous, limit=0)
    assert isinstance(bad, InvalidParameterProblem), bad


def remove(ids: list[int]) -> None:
    for id in ids:
        answer = delete_post.sync_detailed(id, client=posts)
        assert answer.status_code == HTTPStatus.NO_CONTENT
        assert isinstance(delete_post.sync(id, client=posts), NotFoundProblem)


def main() -> None:
    user, thread, created = create()
    ids = [post.id for post in created]
    filter_lists(user, thread, ids)
    page(thread.id, created)
    summarize(thread, ids)
    edit(ids[0])
    fail(user)
    remove(ids)


main()
