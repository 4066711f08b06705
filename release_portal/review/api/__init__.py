"""The JSON door of the lab's staff: requests, grants, suspensions, rules, people, the register."""

from ninja import Router

from . import artefacts, grants, people, register, requests, rules, suspensions

router = Router(tags=["review"])
for nouns in (requests, grants, suspensions, rules, people, register, artefacts):
    router.add_router("", nouns.router)
