"""A decision has a reason, and a reason has one longest length: whichever verb takes it."""

import ast
import inspect
from datetime import date
from pathlib import Path

import pytest
from django.conf import settings

from release_portal.access import actions as access
from release_portal.access.actions.reviews import LONGEST_RECUSAL
from release_portal.access.actions.rules import LONGEST_RULE_REASON
from release_portal.jobs import actions as jobs
from release_portal.lib.reasons import LONGEST_REASON
from release_portal.lib.states import Refused
from release_portal.partners import actions as partners
from release_portal.releases import actions as releases
from release_portal.releases.actions.families import LONGEST_REASON_OF_ERRATUM
from release_portal.releases.actions.openings import LONGEST_REASON_OF_OPENING
from release_portal.releases.models import Audience, Component

from . import factories

VERBS = {
    "return an application": (partners.return_application, LONGEST_REASON),
    "decline an application": (partners.decline, LONGEST_REASON),
    "disable a person": (partners.disable_person, LONGEST_REASON),
    "remove somebody's factors": (partners.remove_factors, LONGEST_REASON),
    "return a request": (access.return_request, LONGEST_REASON),
    "step aside": (access.recuse, LONGEST_RECUSAL),
    "set a rule": (access.set_rule, LONGEST_RULE_REASON),
    "suspend": (access.suspend, LONGEST_REASON),
    "lift a suspension": (access.lift_suspension, LONGEST_REASON),
    "revoke a grant": (access.revoke_grant, LONGEST_REASON),
    "put a batch together": (access.stage_batch, LONGEST_REASON),
    "revoke a worker's key": (jobs.revoke_worker, LONGEST_REASON),
    "open a component": (releases.open_component, LONGEST_REASON_OF_OPENING),
    "correct a size": (releases.correct_size, LONGEST_REASON_OF_ERRATUM),
}
BESIDES = {
    "enable_person": "checked with disable_person",
    "end": "the portal writes it",
}
"""Functions with a reason among their arguments that are not tried here, and why."""


@pytest.fixture
def arguments_of(request):
    """What a verb needs but its reason, by the argument."""
    get = request.getfixturevalue

    def arguments(verb):
        by = get("rita") if verb in (partners.return_application, partners.decline) else get("mara")
        known = {
            "by": lambda: by,
            "suspension": lambda: access.suspend(by=by, subject=get("grant"), reason_code="key", reason="So."),
            "worker": lambda: factories.beat("worker-9"),
            "partner": lambda: get("applied"),
            "person": lambda: factories.UserFactory(factor=True),
            "request": lambda: get("access_request"),
            "size": lambda: get("size_124m"),
            "of": lambda: get("size_355m"),
            "on": lambda: date(2019, 8, 20),
            "name": lambda: "125M",
            "subject": lambda: get("grant"),
            "grant": lambda: get("grant"),
            "reason_code": lambda: {access.return_request: "unclear"}.get(verb, "misuse"),
            "verb": lambda: "revoke",
            "rows": lambda: [(get("grant").pk, None)],
            "component": lambda: Component.WEIGHTS,
            "audience": lambda: Audience.PARTNER,
        }
        return {name: known[name]() for name in inspect.signature(verb).parameters if name in known}

    return arguments


@pytest.mark.parametrize("name", VERBS)
def test_verb_needs_a_reason_and_takes_one_of_a_longest_length(name, arguments_of, db):
    verb, longest = VERBS[name]
    arguments = arguments_of(verb)
    with pytest.raises(Refused) as refused:
        verb(**arguments, reason=" \n ")
    assert refused.value.field == "reason"
    with pytest.raises(Refused) as refused:
        verb(**arguments, reason="x" * (longest + 1))
    assert (refused.value.field, refused.value.limit, refused.value.given) == ("reason", longest, longest + 1)
    verb(**arguments, reason="x" * longest)


def test_every_verb_with_a_reason_is_tried():
    """Public functions of the rooms' actions."""
    found = set()
    for path in Path(settings.BASE_DIR, "release_portal").glob("*/actions*/**/*.py"):
        found |= {*_with_a_reason(path)}
    found |= {*_with_a_reason(Path(settings.BASE_DIR, "agreements/actions.py"))}
    assert found == {verb.__name__ for verb, _ in VERBS.values()} | BESIDES.keys()


def _with_a_reason(path):
    for node in ast.walk(ast.parse(path.read_text())):
        named = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if named and "reason" in {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}:
            yield node.name
