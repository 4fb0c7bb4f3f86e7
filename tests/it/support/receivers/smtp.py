"""A mail server that takes everything: a JSON object for each mail on standard output."""

import json
import sys
import time
from email import policy
from email.parser import BytesParser

from aiosmtpd.controller import Controller


class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = BytesParser(policy=policy.default).parsebytes(envelope.original_content)
        print(
            json.dumps(
                {
                    "from": envelope.mail_from,
                    "to": envelope.rcpt_tos,
                    "headers": [[name, str(value)] for name, value in mail.items()],
                    "text": mail.get_content(),
                }
            ),
            flush=True,
        )
        return "250 taken"


controller = Controller(Handler(), hostname="127.0.0.1", port=int(sys.argv[1]))
controller.start()
print("listening", flush=True)
sys.stdin.read()
controller.stop()
