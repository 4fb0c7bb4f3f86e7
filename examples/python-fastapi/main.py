"""An API of orders whose keys Bitting judges.

    pip install -r requirements.txt
    uvicorn main:app --port 3000 --no-proxy-headers
"""

import asyncio
import os
import re

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

# Where a key may stand. All are handed on, so that Bitting sees it when there are two.
CREDENTIALS = (b"authorization", b"authentication", b"apikey", b"x-api-key")
# What may stand in no header.
CONTROL = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")
# What a live key is told that may not do this. What is not listed, no key may do.
REFUSALS = {
    "insufficient_scope": (403, "This request needs the scope {required}."),
    "address_not_allowed": (403, "This key may not be used from this address."),
    "method_not_allowed": (405, "This path does not take this method."),
    "rate_limited": (429, "This key's rate limit is used up."),
    "quota_exceeded": (429, "This key's quota is used up."),
}
PROBLEM = "application/problem+json"

app = FastAPI()
# One for all requests: it keeps its connections. Keys must not pass through a proxy.
bitting = httpx.AsyncClient(
    base_url=os.environ.get("BITTING_URL", "http://127.0.0.1:8080"), timeout=2, trust_env=False
)


@app.middleware("http")
async def judge(request: Request, call_next):
    headers = [pair for pair in request.headers.raw if pair[0] in (*CREDENTIALS, b"user-agent")]
    if any(CONTROL.search(value) for _, value in headers):
        return problem(400, "bad_request", "A header holds a control character.")
    # With --trusted-proxies 127.0.0.1/32, Bitting notes this address and not the program's. Without
    # --no-proxy-headers, uvicorn would take it from a local client's own X-Forwarded-For.
    if request.client:  # not on a Unix socket
        headers.append((b"x-forwarded-for", request.client.host.encode()))
    # The path as it was sent: decoded, it could mean another request.
    target = request.scope["raw_path"] + b"?" + request.scope["query_string"]
    question = {"method": request.method, "path": target.decode("latin-1")}
    try:
        # In all: the client's own timeout begins anew with each piece of an answer.
        asking = bitting.post("/v1/verify", headers=headers, json=question)
        answer = await asyncio.wait_for(asking, 2)
        verdict = answer.json()
    except (httpx.HTTPError, ValueError, asyncio.TimeoutError):
        return problem(503, "unavailable", "Keys cannot be checked at the moment.")
    if answer.status_code == 422:  # such as a path that is too long to be asked about
        return problem(400, "bad_request", "This request cannot be judged.")
    if answer.headers.get("content-type") == PROBLEM:  # no live key, or Bitting has no database
        kept = ("www-authenticate", "retry-after")
        kept = {name: answer.headers[name] for name in kept if name in answer.headers}
        return Response(answer.content, answer.status_code, kept, PROBLEM)
    if answer.status_code != 200 or not isinstance(verdict, dict):
        return problem(503, "unavailable", "Keys cannot be checked at the moment.")
    if verdict.get("allowed") is not True:
        code = verdict.get("code", "forbidden")
        status, detail = REFUSALS.get(code, (403, "No key may do this."))
        again = {"retry-after": str(verdict["retry_after"])} if verdict.get("retry_after") else {}
        return problem(status, code, detail.format(**verdict), again)
    request.state.key = verdict["key"]
    return await call_next(request)


def problem(status, code, detail, headers=None):
    body = {"type": f"urn:bitting:problem:{code}", "status": status, "code": code, "detail": detail}
    return JSONResponse(body, status, headers, PROBLEM)


class NoWebSockets:
    """What is said on a WebSocket would not be judged, so that none is let in."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
        else:
            await self.app(scope, receive, send)


app.add_middleware(NoWebSockets)


@app.get("/orders")
async def orders(request: Request):
    return {"orders": [{"id": 1, "item": "a door"}], "asked_by": request.state.key["name"]}


@app.post("/orders", status_code=201)
async def create(request: Request):
    try:
        order = await request.json()
    except ValueError:
        return problem(400, "invalid_json", "The body is not JSON.")
    return {"order": order, "made_by": request.state.key["name"]}
