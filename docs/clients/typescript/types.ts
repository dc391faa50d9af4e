// The types that generators make of the API documents of services to which users write. This file
// only has to compile: it does not when a document promises more, less or something else.
import type { components, operations, paths as Posts } from "./posts.js";
import type { components as OfThreads, operations as OnThreads } from "./threads.js";
import type { components as OfUsers, operations as OnUsers } from "./users.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** One object with the members of both. */
type With<A, B> = { [K in keyof (A & B)]: (A & B)[K] };
/** Compiles only when both types are the same. */
function same<A, B>(_: Same<A, B>) {}

type ByTheServer = { readonly id: number; readonly createdAt?: string; readonly updatedAt?: string };

type User = { username: string; name: string; bio: string };
same<OfUsers["schemas"]["User"], With<ByTheServer, User>>(true);
same<OfUsers["schemas"]["NewUser"], User>(true);
same<OfUsers["schemas"]["UserReplacement"], User>(true);
same<OfUsers["schemas"]["UserPatch"], Partial<User>>(true);

type Thread = { title: string; createdBy: number };
same<OfThreads["schemas"]["Thread"], With<ByTheServer, Thread>>(true);
// A user who writes may leave out who they are.
same<OfThreads["schemas"]["NewThread"], { title: string; createdBy?: number }>(true);
same<OfThreads["schemas"]["ThreadReplacement"], { title: string; createdBy?: number }>(true);
same<OfThreads["schemas"]["ThreadPatch"], Partial<Thread>>(true);

type Post = { thread: number; text: string; user: number };
same<components["schemas"]["Post"], With<ByTheServer, Post>>(true);
same<components["schemas"]["NewPost"], { thread: number; text: string; user?: number }>(true);
same<components["schemas"]["PostReplacement"], { thread: number; text: string; user?: number }>(true);
same<components["schemas"]["PostPatch"], Partial<Post>>(true);

type Summary = { thread?: number; user?: number; posts: number; lastPost?: number; lastPostAt?: string };
same<components["schemas"]["PostSummary"], Summary>(true);

/** The problems of an operation, by status. */
type Problems<O extends { responses: object }> = {
  [S in keyof O["responses"] as O["responses"][S] extends { content: { "application/problem+json": unknown } }
    ? S
    : never]: O["responses"][S] extends { content: { "application/problem+json": { type: `urn:forum:problem:${infer K}` } } }
    ? K
    : never;
};
type Always = { 500: "internal"; 503: "unavailable" };
type OfWrites = { 401: "unauthorized"; 403: "forbidden"; 429: "too-many-requests" };
type OfBodies = {
  408: "timeout";
  413: "too-large";
  415: "unsupported-media-type";
  422: "invalid-record";
  507: "collection-full";
};
type Listed = With<Always, { 400: "invalid-parameter" }>;
type ListedBy = With<Always, { 400: "invalid-id" | "invalid-parameter" }>;
type Read = With<Always, { 400: "invalid-id"; 404: "not-found" }>;
type Created = With<
  Always & OfWrites & Omit<OfBodies, 422>,
  {
    400: "malformed-json" | "invalid-parameter";
    409: "conflict";
    422: "invalid-record" | "idempotency-key-reused";
  }
>;
type Deleted = With<Always & OfWrites, { 400: "invalid-id"; 404: "not-found"; 412: "precondition-failed" }>;
type Edited = With<Omit<Deleted, 400> & OfBodies, { 400: "malformed-json" | "invalid-id" }>;

same<Problems<operations["listPosts"]>, Listed>(true);
same<Problems<operations["listPostsByThread"]>, ListedBy>(true);
same<Problems<operations["listPostsByUser"]>, ListedBy>(true);
same<Problems<operations["summarizePosts"]>, Listed>(true);
same<Problems<operations["getPost"]>, Read>(true);
same<Problems<operations["createPost"]>, Created>(true);
same<Problems<operations["replacePost"]>, Edited>(true);
same<Problems<operations["patchPost"]>, Edited>(true);
same<Problems<operations["deletePost"]>, Deleted>(true);
same<Problems<OnThreads["patchThread"]>, Edited>(true);
// A name may be taken.
same<Problems<OnUsers["patchUser"]>, With<Edited, { 409: "conflict" }>>(true);

// A list's parameters.
type Page = { id?: number[]; limit?: number; after?: number; sort?: "id" | "-id" };
type Query<O extends { parameters: { query?: unknown } }> = NonNullable<O["parameters"]["query"]>;
same<Query<OnUsers["listUsers"]>, With<Page, { username?: string }>>(true);
same<Query<OnThreads["listThreads"]>, With<Page, { createdBy?: number }>>(true);
same<Query<operations["listPosts"]>, With<Page, { thread?: number; user?: number }>>(true);
same<Query<operations["listPostsByThread"]>, Query<operations["listPosts"]>>(true);
same<Query<operations["summarizePosts"]>, { thread?: number[]; user?: number[] }>(true);

// Paths without ids take none.
same<Posts["/api/posts"]["parameters"]["path"], undefined>(true);
