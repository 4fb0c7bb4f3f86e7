"""An API of orders whose keys Bitting judges.

    pip install -r requirements.txt
    uvicorn main:app --port 3000
"""

import os

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

# Where a key may stand. All are handed on, so that Bitting sees it when there are two.
CREDENTIALS = (b"authorization", b"authentication", b"apikey", b"x-api-key")
STATUS = {"method_not_allowed": 405, "rate_limited": 429, "quota_exceeded": 429}  # others: 403
PROBLEM = "application/problem+json"

app = FastAPI()
# One for all requests: it keeps its connections. Keys must not pass through a proxy.
bitting = httpx.AsyncClient(
    base_url=os.environ.get("BITTING_URL", "http://127.0.0.1:8080"), timeout=2, trust_env=False
)


@app.middleware("http")
async def judge(request: Request, call_next):
    headers = [pair for pair in request.headers.raw if pair[0] in (*CREDENTIALS, b"user-agent")]
    # With --trusted-proxies 127.0.0.1/32, Bitting notes this address and not the program's.
    headers.append((b"x-forwarded-for", request.client.host.encode()))
    # The path as it was sent: decoded, it could mean another request.
    target = request.scope["raw_path"] + b"?" + request.scope["query_string"]
    question = {"method": request.method, "path": target.decode("latin-1")}
    try:
        answer = await bitting.post("/v1/verify", headers=headers, json=question)
    except httpx.HTTPError:
        return problem(503, "unavailable", "Keys cannot be checked at the moment.")
    if answer.headers.get("content-type") == PROBLEM:  # no live key, or Bitting has no database
        kept = ("www-authenticate", "retry-after")
        kept = {name: answer.headers[name] for name in kept if name in answer.headers}
        return Response(answer.content, answer.status_code, kept, PROBLEM)
    if answer.status_code != 200:
        return problem(503, "unavailable", "Keys cannot be checked at the moment.")
    verdict = answer.json()
    if verdict["allowed"] is not True:
        code, needed = verdict["code"], verdict["required"]
        detail = f"This request needs the scope {needed}." if needed else "The key may not do this."
        again = {"retry-after": str(verdict["retry_after"])} if verdict.get("retry_after") else {}
        return problem(STATUS.get(code, 403), code, detail, again)
    request.state.key = verdict["key"]
    return await call_next(request)


def problem(status, code, detail, headers=None):
    body = {"type": f"urn:bitting:problem:{code}", "status": status, "code": code, "detail": detail}
    return JSONResponse(body, status, headers, PROBLEM)


@app.get("/orders")
async def orders(request: Request):
    return {"orders": [{"id": 1, "item": "a door"}], "asked_by": request.state.key["name"]}


@app.post("/orders", status_code=201)
async def create(request: Request):
    return {"order": await request.json(), "made_by": request.state.key["name"]}
