"""Takes letters as a mail server does, by aiosmtpd, until its standard input ends.

Arguments: `starttls`, `implicit` or `none`; a certificate and its key. With TLS, only the user floodwall with the password s3cret
may send. Prints the port, and then a line of JSON for each letter.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Sink:
    async def handle_DATA(self, server, session, envelope):
        letter = {
            "tls": server.transport.get_extra_info("sslcontext") is not None,
            "authenticated": session.authenticated,
            "to": envelope.rcpt_tos,
            "text": envelope.content.decode(),
        }
        print(json.dumps(letter), flush=True)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, given):
    is_known = (given.login, given.password) == (b"floodwall", b"s3cret")
    return AuthResult(success=is_known, handled=False)


async def serve(protection, certificate, key):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    options = {
        "starttls": {"tls_context": context, "require_starttls": True, "auth_required": True},
        # By itself it takes passwords after STARTTLS only.
        "implicit": {"auth_require_tls": False, "auth_required": True},
        "none": {},
    }[protection]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Sink(), authenticator=authenticate, **options),
        host="127.0.0.1",
        port=0,
        ssl=context if protection == "implicit" else None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(serve(*sys.argv[1:]))
