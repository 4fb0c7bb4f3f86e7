"""A mail server that takes everything but what is for nobody@…: a JSON object for each mail on standard
output.

smtp.py PORT [starttls|tls CERTIFICATE]
"""

import json
import ssl
import sys
from email import policy
from email.parser import BytesParser

from aiosmtpd.controller import Controller


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = BytesParser(policy=policy.default).parsebytes(envelope.original_content)
        print(
            json.dumps(
                {
                    "from": envelope.mail_from,
                    "to": envelope.rcpt_tos,
                    "headers": [[name, str(value)] for name, value in mail.items()],
                    "text": mail.get_content(),
                    "tls": isinstance(session.ssl, dict) or "ssl_context" in options,
                }
            ),
            flush=True,
        )
        return "250 taken"


port, *tls = sys.argv[1:]
options = {}
if tls:
    when, certificate = tls
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    options = {
        "starttls": {"tls_context": context, "require_starttls": True},
        "tls": {"ssl_context": context},
    }[when]

controller = Controller(Handler(), hostname="127.0.0.1", port=int(port), **options)
controller.start()
print("listening", flush=True)
sys.stdin.read()
controller.stop()
