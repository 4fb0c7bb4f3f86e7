"""What a schema cannot say, kept out of requests that are meant to be good.

Requests that are meant to be bad stay as they were made.
"""

import uuid

import schemathesis

# One credential is asked for, in any of several headers; Schemathesis fills in all of them.
OTHER_CREDENTIALS = ("X-API-Key", "apikey", "Authentication")
# Good only if a record with that id, or a user with that address, exists.
REFERENCES = ("agent_id", "knowledge_base_id", "holder")
# Good only if the record is, or is not, that version.
CONDITIONS = ("If-Match", "If-None-Match")
# Good only from now to ten years ahead.
TIMES_AHEAD = ("expires_at",)
# Good only if the address has no bits beyond the network's length, which no pattern can tell.
NETWORKS = "allowed_networks"
# Good only where there is such a connection.
SCOPES = ("scopes", "may_grant")
# A patch of one may hold a part of it; good only with the rest that the key has.
LIMITS = {"rate_limit": "minute", "quota": "day"}


def own_scope(scope):
    return "calls:read" if isinstance(scope, str) and "@" in scope else scope


@schemathesis.hook
def before_call(context, case, **kwargs):
    if "Authorization" in (kwargs.get("headers") or {}) or "Authorization" in (case.headers or {}):
        for name in OTHER_CREDENTIALS:
            case.headers.pop(name, None)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    for name in CONDITIONS:
        case.headers.pop(name, None)
    if "Idempotency-Key" in case.headers:
        # Good only with the body it came with first.
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if case.query:
        case.query.pop("cursor", None)
        if "scope" in case.query:
            case.query["scope"] = own_scope(case.query["scope"])
        if case.operation.path == "/v1/analytics/overview":
            # Good only within 366 days before the other end.
            case.query.pop("from", None)
        if case.operation.path == "/v1/knowledge_base" and "q" in case.query:
            # Good only with a word in it, in any script.
            case.query["q"] = f"word {case.query['q']}"[:200]
    if isinstance(case.body, dict):
        if case.operation.path == "/v1/keys/revoke":
            # Good only with ids that there are, or with as many keys as the filter finds.
            case.body.pop("ids", None)
            case.body |= {"filter": {"q": str(uuid.uuid4())}, "confirm": 0}
        if case.method == "PATCH" and case.operation.path == "/v1/keys/{id}":
            # Good only with less than the key has.
            case.body.pop("scopes", None)
            case.body.pop("expires_at", None)
        for name in REFERENCES + TIMES_AHEAD:
            if case.body.get(name) is not None:
                case.body[name] = None
        for name, period in LIMITS.items():
            if isinstance(case.body.get(name), dict):
                case.body[name] = {"requests": 1, "per": period} | case.body[name]
        for name in SCOPES:
            scopes = case.body.get(name)
            if isinstance(scopes, list):
                case.body[name] = list(dict.fromkeys(map(own_scope, scopes)))
        networks = case.body.get(NETWORKS)
        if isinstance(networks, list):
            case.body[NETWORKS] = [f"10.0.{number}.0/24" for number, _ in enumerate(networks)]
        elif isinstance(networks, str):
            case.body[NETWORKS] = "10.0.0.0/8 2001:db8::/32"
