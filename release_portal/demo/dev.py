"""python -m release_portal.demo.dev: the site to work on, as `make dev` runs it.

A small made-up site with DEBUG and django-debug-toolbar. Each process starts again when its code changes. No worker
generates: none would start again within seconds.
"""

import os
import sys
from pathlib import Path

from release_portal.lib.processes import Kept, Processes, commands

from .factors import Factors
from .people import let_in, manage, set_up

NUMBERS = {"--organisations": "20", "--requests": "120", "--jobs": "150"}
"""Enough for every page to have rows and a second page, and made in seconds."""
PARTNER = """
from release_portal.access.models import Grant
from release_portal.partners.models import User
grant = Grant.objects.filter(status="active", partner__website__endswith=".example").order_by("pk").first()
print(User.objects.filter(memberships__partner=grant.partner, email__startswith="head@").get().email)
"""
WATCHED = ("release_portal", "agreements", "inference")
RELOADED = ("site", "mail", "receive", "clock")
WEB = "python manage.py runserver {port}"
"""Django's own server: it reads templates again too, and shows what failed."""


def fill(home: Path) -> None:
    """Make up the site, once: another run would add to it."""
    done = home / "filled"
    if not done.exists():
        print("A small made-up site", flush=True)
        manage("fill", *(word for pair in NUMBERS.items() for word in pair), env={**os.environ, "DEBUG": "1"})
        done.touch()


def partner(factors: Factors, password: str) -> str:
    """Let somebody of a made-up organisation in who signs for it and has a grant; returns their address."""
    email = str(manage("shell", "--no-imports", "--command", PARTNER, capture_output=True).stdout).strip()
    factors.key_of(email)
    let_in({email: password}, factors)
    return email


def kept(port: str) -> list[Kept]:
    """The processes, each with what it may see: DEBUG is the web process's alone."""
    whole = dict(os.environ)
    procfile = commands()
    reloaded = [
        Kept(name, f"watchfiles --filter python --verbosity warning '{procfile[name]}' {' '.join(WATCHED)}", whole)
        for name in RELOADED
    ]
    web = Kept("web", WEB.format(port=port), whole | {"DEBUG": "1", "DEBUG_TOOLBAR": "1"})
    return [web, *reloaded]


def main() -> int:
    home, base_url = Path(os.environ["PORTAL_HOME"]), os.environ["BASE_URL"]
    factors = Factors(home)
    passwords = set_up(home, factors)
    fill(home)
    lab = {email: password for email, password in passwords.items() if email.endswith("@lab.example")}
    password = next(iter(lab.values()))
    lab[partner(factors, password)] = password
    for email, each in lab.items():
        print(f"  {email:<48} {each}", flush=True)
    print(f"Codes of this moment: make codes HOME_DIR={home}\nThe site: {base_url} until you press Ctrl-C.", flush=True)
    return Processes(kept(os.environ["PORT"])).run()


if __name__ == "__main__":
    sys.exit(main())
