// The services' reads in the shape of the Node.js example they follow: Koa, a
// router, a line of log for each request, the collection in memory.
//   node server.js COLLECTION DB_JSON
'use strict';

const Koa = require('koa');
const { Router } = require('@koa/router');
const path = require('node:path');

const [collection, file] = process.argv.slice(2);
const db = require(path.resolve(file));
const app = new Koa();
const router = new Router();

app.use(async (ctx, next) => {
  const start = Date.now();
  await next();
  console.log('%s %s - %s', ctx.method, ctx.url, Date.now() - start);
});

router.get(`/api/${collection}`, (ctx) => {
  ctx.body = db[collection];
});

router.get(`/api/${collection}/:id`, (ctx) => {
  const id = Number.parseInt(ctx.params.id, 10);
  ctx.body = db[collection].find((record) => record.id === id);
});

router.get(`/api/${collection}/in-thread/:id`, (ctx) => {
  const id = Number.parseInt(ctx.params.id, 10);
  ctx.body = db[collection].filter((record) => record.thread === id);
});

router.get(`/api/${collection}/by-user/:id`, (ctx) => {
  const id = Number.parseInt(ctx.params.id, 10);
  ctx.body = db[collection].filter((record) => record.user === id);
});

app.use(router.routes());
app.use(router.allowedMethods());

const server = app.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ addr: `127.0.0.1:${server.address().port}` }));
});
