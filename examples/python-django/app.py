"""An API of orders whose keys Bitting judges.

    pip install -r requirements.txt
    python app.py runserver 3000
"""

import json
import os
import re
import secrets

import httpx
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse, JsonResponse
from django.urls import path

# Where a key may stand. All are handed on, so that Bitting sees it when there are two.
CREDENTIALS = ("Authorization", "Authentication", "Apikey", "X-Api-Key")
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

# One for all requests: it keeps its connections. Keys must not pass through a proxy.
bitting = httpx.Client(
    base_url=os.environ.get("BITTING_URL", "http://127.0.0.1:8080"), timeout=2, trust_env=False
)


class Judge:
    """The middleware. In a project, it stands first in MIDDLEWARE."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.refusal(request) or self.get_response(request)

    def refusal(self, request):
        names = [n for n in (*CREDENTIALS, "User-Agent") if n in request.headers]
        headers = [(name, request.headers[name].encode("latin-1")) for name in names]
        if any(CONTROL.search(value) for _, value in headers):
            return problem(400, "bad_request", "A header holds a control character.")
        # With --trusted-proxies 127.0.0.1/32, Bitting notes this address and not the program's.
        headers.append(("X-Forwarded-For", request.META["REMOTE_ADDR"]))
        # Encoded again as it was sent: a decoded question mark would end the path.
        question = {"method": request.method, "path": request.get_full_path()}
        try:
            answer = bitting.post("/v1/verify", headers=headers, json=question)
            verdict = answer.json()
        except (httpx.HTTPError, ValueError):
            return problem(503, "unavailable", "Keys cannot be checked at the moment.")
        if answer.status_code == 422:  # such as a path that is too long to be asked about
            return problem(400, "bad_request", "This request cannot be judged.")
        if answer.headers.get("content-type") == PROBLEM:  # no live key, or Bitting has no database
            kept = ("www-authenticate", "retry-after")
            kept = {name: answer.headers[name] for name in kept if name in answer.headers}
            return HttpResponse(answer.content, PROBLEM, answer.status_code, headers=kept)
        if answer.status_code != 200 or not isinstance(verdict, dict):
            return problem(503, "unavailable", "Keys cannot be checked at the moment.")
        if verdict.get("allowed") is True:
            request.key = verdict["key"]
            return None
        code = verdict.get("code", "forbidden")
        status, detail = REFUSALS.get(code, (403, "No key may do this."))
        again = {"Retry-After": str(verdict["retry_after"])} if verdict.get("retry_after") else {}
        return problem(status, code, detail.format(**verdict), again)


def problem(status, code, detail, headers=None):
    body = {"type": f"urn:bitting:problem:{code}", "status": status, "code": code, "detail": detail}
    return JsonResponse(body, status=status, content_type=PROBLEM, headers=headers)


def orders(request):
    if request.method == "POST":
        try:
            order = json.loads(request.body)
        except ValueError:
            return problem(400, "invalid_json", "The body is not JSON.")
        return JsonResponse({"order": order, "made_by": request.key["name"]}, status=201)
    orders = [{"id": 1, "item": "a door"}]
    return JsonResponse({"orders": orders, "asked_by": request.key["name"]})


urlpatterns = [path("orders", orders)]
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    MIDDLEWARE=[f"{__name__}.Judge"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_hex(),
)
if __name__ == "__main__":
    execute_from_command_line()
