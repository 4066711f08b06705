"""The JSON door of an organisation's own requests, grants and findings."""

from ninja import Router

from . import grants, organisation, requests

router = Router(tags=["access"])
for nouns in (requests, grants, organisation):
    router.add_router("", nouns.router)
