"""An OpenID Connect provider on loopback, over real HTTP, at which whoever it is told signs in."""

import base64
import http.server
import json
import secrets
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwk, jwt

CLIENT, SECRET = "best-image-models", secrets.token_hex(16)


@dataclass
class Provider:
    """The provider: who sits in front of it, and what it has handed out.

    email: of whoever signs in next, who is never asked for a password.
    """

    url: str
    email: str = "ada@example.org"
    key: jwk.RSAKey = field(default_factory=lambda: jwk.RSAKey.generate_key(2048))
    # Code -> the nonce of its request and whose it is.
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def secrets(self, site: str) -> str:
        """What secrets.toml says to sign in here for the site at this address."""
        return f"""
[auth]
redirect_uri = "{site}/oauth2callback"
cookie_secret = "{secrets.token_hex(32)}"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
server_metadata_url = "{self.url}/.well-known/openid-configuration"
"""

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def token(self, code: str) -> dict[str, Any]:
        """The answer to a code, which is good once."""
        nonce, email = self.codes.pop(code)
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": email,
            "email": email,
            "email_verified": True,
            "nonce": nonce,
            "iat": now,
            "exp": now + 600,
        }
        signed = jwt.encode({"alg": "RS256", "kid": self.key.thumbprint()}, claims, self.key)
        return {
            "access_token": secrets.token_hex(16),
            "token_type": "Bearer",
            "expires_in": 600,
            "id_token": signed,
        }


@contextmanager
def provider() -> Iterator[Provider]:
    """Start it; it knows one site."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.provider = found = Provider(f"http://127.0.0.1:{server.server_address[1]}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        address = urllib.parse.urlsplit(self.path)
        if address.path == "/.well-known/openid-configuration":
            self._answer(provider.metadata())
        elif address.path == "/jwks":
            public = provider.key.as_dict(private=False)
            self._answer({"keys": [{**public, "kid": provider.key.thumbprint(), "use": "sig"}]})
        elif address.path == "/authorize":
            asked = dict(urllib.parse.parse_qsl(address.query))
            code = secrets.token_hex(16)
            provider.codes[code] = asked["nonce"], provider.email
            back = urllib.parse.urlencode({"code": code, "state": asked["state"]})
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{back}")
            self.end_headers()
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if self.path != "/token" or self.headers["Authorization"] != f"Basic {known}":
            self.send_error(401)
            return
        self._answer(provider.token(dict(urllib.parse.parse_qsl(body))["code"]))

    def _answer(self, values: dict[str, Any]) -> None:
        content = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Nothing: pytest shows what failed."""
