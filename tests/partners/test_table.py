"""Every verb on organisations, in every state, by every role: what the table does not allow is refused in a sentence
and leaves nothing behind, by the verb and through the API."""

import uuid
from collections.abc import Callable

import pytest

from release_portal.access import actions as access
from release_portal.access.models import Suspension
from release_portal.partners import actions
from release_portal.partners.models import Invitation, Membership, Partner, Role, User

from .. import factories
from ..tables import KNOWN_TO_STAFF, OF_THE_LAB, Door, Table, Trace, cast_of, headers_of, rows_of

pytestmark = pytest.mark.slow
STATES = ("applied", "returned", "admitted", "declined", "suspended", "closed")
TABLE = """
correct  | returned                            | owner
admit    | applied                             | reviewer
return   | applied                             | reviewer
decline  | applied                             | reviewer
suspend  | admitted                            | reviewer manager
lift     | suspended                           | reviewer manager
close    | admitted suspended                  | owner reviewer
invite   | applied returned admitted suspended | owner
automate | applied returned admitted suspended | owner
leave    | any                                 | owner signatory investigator researcher viewer
"""

REASON = {"reason": "Tell who will use it."}
SUSPEND = {"reason_code": "key", "reason": "A key was shared."}
CHECKED = {"reason": "It was checked."}
WERE_ADMITTED = ("admitted", "suspended", "closed")


def applicant() -> User:
    """Somebody who reads mail at the organisation's own domain, and so may invite its people before it is admitted."""
    return factories.UserFactory(email=f"{uuid.uuid4().hex[:12]}@table.example")


def partner_when(state: str, application, *, tom: User) -> Partner:
    """An organisation in a state, as the verbs bring it there; admitted ones were suspended once."""
    partner = actions.apply(by=applicant(), **application("Table Institute", "table.example"))
    if state in WERE_ADMITTED:
        actions.admit(by=tom, partner=partner)
        suspension = access.suspend(by=tom, subject=partner, **SUSPEND)
        if state != "suspended":
            access.lift_suspension(by=tom, suspension=suspension, **CHECKED)
    if state == "returned":
        actions.return_application(by=tom, partner=partner, **REASON)
    elif state == "declined":
        actions.decline(by=tom, partner=partner, **REASON)
    elif state == "closed":
        access.close_organisation(by=tom, partner=partner)
    partner.refresh_from_db()
    assert partner.status == state
    return partner


def act_of(verb: str, pk: int, details: dict) -> Callable[[User], object]:
    """The verb as a call by somebody, on the organisation as it is then."""

    def on(call: Callable[[User, Partner], object]) -> Callable[[User], object]:
        return lambda by: call(by, Partner.objects.get(pk=pk))

    viewer = list(Role.objects.filter(pk="viewer"))
    return {
        "correct": on(lambda by, it: actions.correct_application(by=by, partner=it, **details)),
        "admit": on(lambda by, it: actions.admit(by=by, partner=it)),
        "return": on(lambda by, it: actions.return_application(by=by, partner=it, **REASON)),
        "decline": on(lambda by, it: actions.decline(by=by, partner=it, **REASON)),
        "suspend": on(lambda by, it: access.suspend(by=by, subject=it, **SUSPEND)),
        "lift": on(lambda by, it: access.lift_suspension(by=by, suspension=it.suspensions.get(), **CHECKED)),
        "close": on(lambda by, it: access.close_organisation(by=by, partner=it)),
        "invite": on(lambda by, it: actions.invite(by=by, partner=it, email="new@table.example", roles=viewer)),
        "automate": on(lambda by, it: actions.create_service_account(by=by, partner=it, name="Weekly", roles=viewer)),
        "leave": on(lambda by, it: actions.leave(by=by, partner=it)),
    }[verb]


def door_of(verb: str, partner: Partner, details: dict) -> Door:
    own = f"/api/v1/organisations/{partner.slug}"
    stop = partner.suspensions.first()
    path, body, seen_by = {
        "correct": (f"{own}/correct", details, KNOWN_TO_STAFF),
        "admit": (f"{own}/admit", {}, KNOWN_TO_STAFF),
        "return": (f"{own}/return", REASON, KNOWN_TO_STAFF),
        "decline": (f"{own}/decline", REASON, KNOWN_TO_STAFF),
        "suspend": ("/api/v1/review/suspensions", SUSPEND | {"organisation": partner.slug}, OF_THE_LAB),
        "lift": (f"/api/v1/review/suspensions/{stop.pk if stop else 0}/lift", CHECKED, OF_THE_LAB),
        "close": (f"{own}/close", {}, KNOWN_TO_STAFF),
        "invite": (f"{own}/invitations", {"email": "new@table.example", "roles": ["viewer"]}, KNOWN_TO_STAFF),
        "automate": (f"{own}/service-accounts", {"name": "Weekly", "roles": ["viewer"]}, KNOWN_TO_STAFF),
        "leave": (f"{own}/leave", {}, KNOWN_TO_STAFF),
    }[verb]
    return Door("POST", path, body, seen_by)


@pytest.mark.parametrize("state", STATES)
def test_verbs_on_organisations_work_where_the_table_says_and_nowhere_else(
    state: str, quiet, application, agreement_version, tom
):
    given = application("Table Institute", "table.example")
    given.pop("will_sign")
    partner = partner_when(state, application, tom=tom)
    cast = cast_of(partner)
    headers, trace, wrong = headers_of(cast), trace_of(partner), []
    rows = rows_of(TABLE, STATES)
    if state not in WERE_ADMITTED:
        del rows["lift"]  # there is nothing that could be lifted
    for row in rows.values():
        act, door = act_of(row.verb, partner.pk, given), door_of(row.verb, partner, given)
        people, to_others = cast, 403
        if row.verb == "leave":
            people = {role: user for role, user in cast.items() if role != "service"}  # it is closed instead
            to_others = 409  # to leave, one has to be there; no role is needed
        theirs = {role: headers[role] for role in ("anonymous", *people)}
        wrong += Table(row, people, theirs, act, door, trace, to_others).wrong_in(state)
    assert not wrong, "\n".join(wrong)


def trace_of(partner: Partner) -> Trace:
    """The rows that a verb on an organisation could change."""
    return Trace(
        Partner.objects.filter(pk=partner.pk),
        Membership.objects.filter(partner=partner),
        Invitation.objects.filter(partner=partner),
        User.objects.filter(service_of=partner),
        Suspension.objects.filter(partner=partner),
    )


def test_table_names_every_state():
    assert set(STATES) == set(Partner.Status.values)
