"""python -m release_portal.demo.factors: the codes that sign the demonstration's people in, from the keys kept here."""

import base64
import hmac
import json
import os
import secrets
import sys
import time
from pathlib import Path

PERIOD = 30  # seconds that a code lasts
DIGITS = 6


class Factors(dict[str, str]):
    """The key of each person's authenticator app, by their address; kept in a file that its owner alone reads."""

    def __init__(self, home: Path) -> None:
        self._path = home / "demo-factors.json"
        super().__init__(json.loads(self._path.read_text()) if self._path.exists() else {})

    def keep(self, email: str, key: str) -> None:
        self[email] = key
        self._path.touch(mode=0o600)
        self._path.write_text(json.dumps(self))

    def key_of(self, email: str) -> str:
        """The person's key; a new one where they have none."""
        if email not in self:
            self.keep(email, base64.b32encode(secrets.token_bytes(20)).decode())
        return self[email]


def code_of(key: str, at: float) -> str:
    """The code that an authenticator app shows at that time (TOTP, RFC 6238, with HMAC-SHA-1)."""
    counter = int(at // PERIOD).to_bytes(8, "big")
    digest = hmac.digest(base64.b32decode(key), counter, "sha1")
    place = digest[-1] & 15
    number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def main() -> int:
    """Print everybody's code of this moment."""
    factors, now = Factors(Path(os.environ["PORTAL_HOME"])), time.time()
    if not factors:
        print("There are no people of the demonstration here yet; `make demo` makes them.", file=sys.stderr)
        return 1
    print(f"These codes sign in for {PERIOD - now % PERIOD:.0f} s more, each once:")
    for email, key in factors.items():
        print(f"  {email:<28} {code_of(key, now)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
