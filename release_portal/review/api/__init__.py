"""The JSON door of the lab's staff: requests, grants, suspensions, rules, people."""

from ninja import Router

from . import grants, people, requests, rules, suspensions

router = Router(tags=["review"])
for nouns in (requests, grants, suspensions, rules, people):
    router.add_router("", nouns.router)
