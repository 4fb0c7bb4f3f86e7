// An API of orders whose keys Bitting judges:
//
//     npm install && npm start

import express from "express";

const BITTING = process.env.BITTING_URL ?? "http://127.0.0.1:8080";
// Where a key may stand. All are handed on, so that Bitting sees it when there are two.
const CREDENTIALS = ["authorization", "authentication", "apikey", "x-api-key"];
// What a live key is told that may not do this. What is not listed, no key may do.
const REFUSALS = {
  insufficient_scope: (scope) => [403, `This request needs the scope ${scope}.`],
  address_not_allowed: () => [403, "This key may not be used from this address."],
  method_not_allowed: () => [405, "This path does not take this method."],
  rate_limited: () => [429, "This key's rate limit is used up."],
  quota_exceeded: () => [429, "This key's quota is used up."],
};
const PROBLEM = "application/problem+json";

async function judge(request, response, next) {
  const headers = new Headers({ "content-type": "application/json" });
  for (const name of [...CREDENTIALS, "user-agent"]) {
    for (const value of request.headersDistinct[name] ?? []) headers.append(name, value);
  }
  // With --trusted-proxies 127.0.0.1/32, Bitting notes this address and not the program's.
  headers.set("x-forwarded-for", request.socket.remoteAddress);
  const body = JSON.stringify({ method: request.method, path: request.originalUrl });
  let answer, text, verdict;
  try {
    // fetch keeps its connections.
    const signal = AbortSignal.timeout(2000);
    const options = { method: "POST", headers, body, signal, redirect: "error" };
    answer = await fetch(`${BITTING}/v1/verify`, options);
    text = await answer.text();
    verdict = JSON.parse(text);
  } catch {
    return problem(response, 503, "unavailable", "Keys cannot be checked at the moment.");
  }
  if (answer.status === 422) { // such as a path that is too long to be asked about
    return problem(response, 400, "bad_request", "This request cannot be judged.");
  }
  if (answer.headers.get("content-type") === PROBLEM) { // no live key, or Bitting has no database
    for (const name of ["www-authenticate", "retry-after"]) {
      if (answer.headers.has(name)) response.set(name, answer.headers.get(name));
    }
    return response.status(answer.status).set("content-type", PROBLEM).end(text);
  }
  if (answer.status !== 200 || verdict === null) {
    return problem(response, 503, "unavailable", "Keys cannot be checked at the moment.");
  }
  const { allowed, code, required, key, retry_after } = verdict;
  if (allowed !== true) {
    if (retry_after) response.set("retry-after", String(retry_after));
    const [status, detail] = REFUSALS[code]?.(required) ?? [403, "No key may do this."];
    return problem(response, status, code, detail);
  }
  request.key = key;
  next();
}

function problem(response, status, code, detail) {
  const body = { type: `urn:bitting:problem:${code}`, status, code, detail };
  response.status(status).set("content-type", PROBLEM).end(JSON.stringify(body));
}

const app = express();
app.use(judge, express.json());
app.get("/orders", (request, response) => {
  response.json({ orders: [{ id: 1, item: "a door" }], asked_by: request.key.name });
});
app.post("/orders", (request, response) => {
  response.status(201).json({ order: request.body, made_by: request.key.name });
});
// Without this, Express shows clients where the program lies and what went wrong in it.
app.use((error, request, response, next) => {
  if (response.headersSent) return next(error);
  const status = error.statusCode ?? 500;
  if (status >= 500) console.error(error);
  problem(response, status, status < 500 ? "bad_request" : "internal", "It cannot be answered.");
});
app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
