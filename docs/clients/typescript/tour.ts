// What a front-end asks of the forum, with types from its API documents. The program checks what
// it gets, and .ci/clients runs it. usage: node built/tour.js USERS THREADS POSTS TOKEN
// where the first three are the addresses of the services, such as http://localhost:3000; behind
// a load balancer they are the same.
import assert from "node:assert/strict";

import createClient from "openapi-fetch";

import type { components, paths as Posts } from "./posts.js";
import type { paths as Threads } from "./threads.js";
import type { paths as Users } from "./users.js";

type Post = components["schemas"]["Post"];

const [usersUrl = "", threadsUrl = "", postsUrl = "", token = ""] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };
const users = createClient<Users>({ baseUrl: usersUrl, headers });
const threads = createClient<Threads>({ baseUrl: threadsUrl, headers });
const posts = createClient<Posts>({ baseUrl: postsUrl, headers });

/** The answer's data. Throws when the answer is a problem. */
function done<T>(answer: { data?: T; error?: { title: string; detail: string } }): T {
  if (answer.data !== undefined) return answer.data;
  throw new Error(`${answer.error?.title}: ${answer.error?.detail}`);
}

async function create() {
  const username = `tour-${process.pid}`;
  const user = done(await users.POST("/api/users", { body: { username, name: "A guest", bio: "" } }));
  const thread = done(await threads.POST("/api/threads", { body: { title: "A tour", createdBy: user.id } }));
  const created: Post[] = [];
  for (const text of ["first", "second", "third", "fourth", "fifth"]) {
    const body = { thread: thread.id, text, user: user.id };
    const { data, error, response } = await posts.POST("/api/posts", { body });
    assert.ok(data, error?.detail);
    assert.equal(response.headers.get("Location"), `/api/posts/${data.id}`);
    assert.equal(data.createdAt, data.updatedAt);
    created.push(data);
  }
  return { user, thread, posts: created };
}

/** Reads a record, and again if it has changed since. */
async function read(id: number) {
  const path = { id };
  const first = await posts.GET("/api/posts/{id}", { params: { path } });
  const post = done(first);
  const etag = first.response.headers.get("ETag") ?? "";
  const header = { "If-None-Match": etag };
  const again = await posts.GET("/api/posts/{id}", { params: { path, header } });
  assert.equal(again.response.status, 304);
  assert.equal(again.data, undefined);
  return { post, etag };
}

/** Edits a post that nobody else edits at the same time. */
async function edit(id: number) {
  const { post, etag } = await read(id);
  const path = { id };
  const header = { "If-Match": etag };
  // A whole record may be sent back. The server ignores neither its id nor its times: they must be
  // those that it has.
  const body = { ...post, text: "replaced" };
  const replaced = await posts.PUT("/api/posts/{id}", { params: { path, header }, body });
  assert.equal(done(replaced).text, "replaced");

  // The post has a new entity tag now.
  const late = await posts.PATCH("/api/posts/{id}", { params: { path, header }, body: { text: "too late" } });
  assert.equal(late.error?.type, "urn:forum:problem:precondition-failed");

  header["If-Match"] = replaced.response.headers.get("ETag") ?? "";
  const patched = await posts.PATCH("/api/posts/{id}", { params: { path, header }, body: { text: "patched" } });
  assert.deepEqual(done(patched), { ...post, text: "patched", updatedAt: patched.data?.updatedAt });
}

/** The posts of a thread, a page at a time. */
async function* pages(thread: number, limit: number): AsyncGenerator<Post[]> {
  for (let after = 0; ; ) {
    const query = { limit, after };
    const page = await posts.GET("/api/posts/in-thread/{threadId}", { params: { path: { threadId: thread }, query } });
    const records = done(page);
    yield records;
    const last = records.at(-1);
    // The header names the next page, while there is one.
    if (last === undefined || !page.response.headers.has("Link")) return;
    after = last.id;
  }
}

async function page(thread: number, expected: Post[]) {
  const seen: number[][] = [];
  for await (const records of pages(thread, 2)) seen.push(records.map((post) => post.id));
  const ids = expected.map((post) => post.id);
  assert.deepEqual(seen, [ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
}

async function filter(user: { id: number; username: string }, thread: number, ids: number[]) {
  // In the order of their ids, and without those that do not exist.
  const some = await posts.GET("/api/posts", { params: { query: { id: [ids[3]!, ids[0]!, Number.MAX_SAFE_INTEGER] } } });
  assert.deepEqual(done(some).map((post) => post.text), ["first", "fourth"]);

  const named = await users.GET("/api/users", { params: { query: { username: user.username } } });
  assert.deepEqual(done(named).map((found) => found.id), [user.id]);

  const begun = await threads.GET("/api/threads", { params: { query: { createdBy: user.id } } });
  assert.deepEqual(done(begun).map((found) => found.id), [thread]);

  const query = { thread, user: user.id, sort: "-id", limit: 1 } as const;
  const newest = await posts.GET("/api/posts", { params: { query } });
  assert.deepEqual(done(newest).map((post) => post.text), ["fifth"]);
  assert.equal(newest.response.headers.get("X-Total-Count"), "5");

  const theirs = await posts.GET("/api/posts/by-user/{userId}", { params: { path: { userId: user.id } } });
  assert.equal(done(theirs).length, 5);
}

/** What a list of threads shows of each, in one request. */
async function summarize(thread: number, ids: number[]) {
  const answer = await posts.GET("/api/posts/summary", { params: { query: { thread: [thread, Number.MAX_SAFE_INTEGER] } } });
  const [some, none] = done(answer);
  assert.deepEqual([some?.thread, some?.posts, some?.lastPost], [thread, ids.length, ids.at(-1)]);
  assert.deepEqual([none?.posts, none?.lastPost], [0, undefined]);
}

/** Says what went wrong, as a form would. */
async function explain(username: string, name: string): Promise<string> {
  const { error } = await users.POST("/api/users", { body: { username, name, bio: "" } });
  if (error === undefined) return "Welcome!";
  switch (error.type) {
    case "urn:forum:problem:invalid-record":
      return error.errors.map((member) => `${member.pointer}: ${member.detail}`).join("\n");
    case "urn:forum:problem:conflict":
      return "This name is taken.";
    case "urn:forum:problem:unauthorized":
      return "Sign in first.";
    default:
      return `${error.title} (request ${error.requestId})`;
  }
}

async function fail(username: string) {
  assert.match(await explain("No Spaces", ""), /^\/username: .+\n\/name: .+/);
  assert.equal(await explain(username, "Somebody else"), "This name is taken.");

  const anonymous = createClient<Posts>({ baseUrl: postsUrl });
  const refused = await anonymous.DELETE("/api/posts/{id}", { params: { path: { id: 1 } } });
  assert.equal(refused.error?.type, "urn:forum:problem:unauthorized");
  assert.equal(refused.error.status, 401);

  const missing = await posts.GET("/api/posts/{id}", { params: { path: { id: Number.MAX_SAFE_INTEGER } } });
  assert.equal(missing.error?.type, "urn:forum:problem:not-found");
  assert.equal(missing.error.requestId, missing.response.headers.get("X-Request-Id"));

  const bad = await posts.GET("/api/posts/in-thread/{threadId}", {
    params: { path: { threadId: 1 }, query: { limit: 0 } },
  });
  assert.equal(bad.error?.type, "urn:forum:problem:invalid-parameter");
}

async function remove(ids: number[]) {
  for (const id of ids) {
    const { response } = await posts.DELETE("/api/posts/{id}", { params: { path: { id } } });
    assert.equal(response.status, 204);
    const { error } = await posts.DELETE("/api/posts/{id}", { params: { path: { id } } });
    assert.equal(error?.type, "urn:forum:problem:not-found");
  }
}

const created = await create();
const ids = created.posts.map((post) => post.id);
await filter(created.user, created.thread.id, ids);
await page(created.thread.id, created.posts);
await summarize(created.thread.id, ids);
await edit(created.posts[0]!.id);
await fail(created.user.username);
await remove(ids);
