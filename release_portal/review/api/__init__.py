"""The JSON door of the lab's staff: requests, grants, suspensions, rules."""

from ninja import Router

from . import grants, requests, rules, suspensions

router = Router(tags=["review"])
for nouns in (requests, grants, suspensions, rules):
    router.add_router("", nouns.router)
