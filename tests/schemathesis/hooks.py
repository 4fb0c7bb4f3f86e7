"""What a schema cannot say, kept out of requests that are meant to be good.

Requests that are meant to be bad stay as they were made.
"""

import schemathesis

# One credential is asked for, in any of several headers; Schemathesis fills in all of them.
OTHER_CREDENTIALS = ("X-API-Key", "apikey", "Authentication")
# Good only if a record with that id exists, or a page before ended in it.
REFERENCES = ("agent_id", "knowledge_base_id")
# Good only from now to ten years ahead.
TIMES_AHEAD = ("expires_at",)


@schemathesis.hook
def before_call(context, case, **kwargs):
    if "Authorization" in (kwargs.get("headers") or {}) or "Authorization" in (case.headers or {}):
        for name in OTHER_CREDENTIALS:
            case.headers.pop(name, None)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.query:
        case.query.pop("cursor", None)
    if isinstance(case.body, dict):
        for name in REFERENCES + TIMES_AHEAD:
            if case.body.get(name) is not None:
                case.body[name] = None
