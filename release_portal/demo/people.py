"""What a site to try begins with: the first records, the lab's people, and everybody's password and second factor."""

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from .cast import CAST
from .factors import Factors

SET_UP_PEOPLE = """
import json, sys
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from release_portal.partners.models import User
for email, (password, key) in json.load(sys.stdin).items():
    for user in User.objects.filter(email=email):
        user.set_password(password)
        user.save()
        address = {"verified": True, "primary": True}
        EmailAddress.objects.update_or_create(user=user, email=email, defaults=address)
        if key:
            Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).delete()
            TOTP.activate(user, key)
"""


def manage(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "manage.py", *arguments], check=True, text=True, **options)


def set_up(home: Path, factors: Factors) -> dict[str, str]:
    """First records and the lab's people with their second factors; returns everybody's password, the same ones at
    every run."""
    print("First records", flush=True)
    manage("first_records")
    manage("enroll_worker", "local", "--file", str(home / "worker.env"), "--again")
    for person in CAST.values():
        if person.lab_roles:
            roles = [argument for role in person.lab_roles for argument in ("--role", role)]
            manage("appoint", person.email, "--name", person.name, *roles)
            factors.key_of(person.email)
    passwords = _passwords(home)
    let_in(passwords, factors)
    return passwords


def let_in(passwords: dict[str, str], factors: Factors) -> None:
    """Set the passwords of those who are there, and their second factors where they have one."""
    people = {email: (password, factors.get(email, "")) for email, password in passwords.items()}
    manage("shell", "--no-imports", "--command", SET_UP_PEOPLE, input=json.dumps(people))


def _passwords(home: Path) -> dict[str, str]:
    path = home / "demo-passwords.json"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps({person.email: secrets.token_urlsafe(12) for person in CAST.values()}))
    kept: dict[str, str] = json.loads(path.read_text())
    return kept
