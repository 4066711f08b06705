"""Every verb on requests and on grants, in every state, by every role: what the tables do not allow is refused in a
sentence and leaves nothing behind, by the verb and through the API."""

from collections.abc import Callable

import pytest

from release_portal.access import actions
from release_portal.access.models import AccessRequest, Grant, RequestItem, Suspension
from release_portal.access.terms import terms_asked
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Job
from release_portal.partners.models import User

from .. import factories
from ..tables import OF_THE_LAB, OF_THE_ORGANISATION, Door, Table, Trace, cast_of, headers_of, rows_of

pytestmark = pytest.mark.slow
REQUEST_STATES = ("draft", "submitted", "returned", "decided", "withdrawn")
REQUESTS = """
save     | draft returned                       | investigator
submit   | draft returned                       | investigator
withdraw | draft submitted returned             | investigator
copy     | any                                  | investigator
appeal   | decided                              | investigator
say      | submitted returned decided withdrawn | owner signatory investigator researcher viewer reviewer manager
answer   | submitted returned decided withdrawn | reviewer manager
note     | submitted returned decided withdrawn | reviewer manager
claim    | submitted                            | reviewer manager
release  | submitted                            | reviewer manager
recuse   | submitted returned decided withdrawn | reviewer manager
return   | submitted                            | reviewer manager
grant    | submitted                            | reviewer manager
decline  | submitted                            | reviewer manager
"""

GRANT_STATES = ("active", "suspended", "revoked", "expired", "replaced")
GRANTS = """
revoke   | active suspended | reviewer manager
suspend  | active           | reviewer manager
lift     | suspended        | reviewer manager
amend    | active suspended | investigator
renew    | any              | investigator
generate | active replaced  | investigator researcher service
"""

RETURN = {"reason_code": "unclear", "reason": "Say who reads."}
DECLINE = {"reason_code": "purpose", "reason": "Too vague."}
REVOKE = {"reason_code": "misuse", "reason": "A key was shared."}
SUSPEND = {"reason_code": "key", "reason": "A key was shared."}
JOB = {"prompts": ["Once"], "max_new_tokens": 5}
SAID = {"text": "Who reads the texts?"}


# --- requests


def request_when(state: str, partner, size, asking, *, by: User, tom: User) -> AccessRequest:
    """A request in a state, as the verbs bring it there."""
    request = actions.start_request(by=by, partner=partner, **asking(size))
    if state != "draft":
        actions.submit_request(by=by, request=request)
    if state == "returned":
        actions.return_request(by=tom, request=request, **RETURN)
    elif state == "decided":
        factories.declined(request, by=tom)
    elif state == "withdrawn":
        actions.withdraw_request(by=by, request=request)
    assert request.status == state
    return request


def request_act(verb: str, pk: int, asking) -> Callable[[User], object]:
    """The verb as a call by somebody, on the request as it is then."""

    def on(call: Callable[[User, AccessRequest], object]) -> Callable[[User], object]:
        return lambda by: call(by, AccessRequest.objects.get(pk=pk))

    def release(by: User, request: AccessRequest) -> None:
        if request.status == "submitted":
            actions.claim_request(by=by, request=request)
        actions.release_request(by=by, request=request)

    def answers(request: AccessRequest, decline: bool) -> list[actions.Answer]:
        items = request.items.select_related("request")
        return [actions.Answer(i, **DECLINE) if decline else actions.Answer(i, terms_asked(i)) for i in items]

    size = RequestItem.objects.filter(request=pk).first().size
    details = asking(size, team="Three readers.")
    acts = {
        "save": on(lambda by, it: actions.save_request(by=by, request=it, **details)),
        "submit": on(lambda by, it: actions.submit_request(by=by, request=it)),
        "withdraw": on(lambda by, it: actions.withdraw_request(by=by, request=it)),
        "copy": on(lambda by, it: actions.copy_request(by=by, request=it)),
        "appeal": on(lambda by, it: actions.appeal(by=by, request=it)),
        "say": on(lambda by, it: actions.say(by=by, request=it, **SAID)),
        "note": on(lambda by, it: actions.say(by=by, request=it, internal=True, **SAID)),
        "claim": on(lambda by, it: actions.claim_request(by=by, request=it)),
        "release": on(release),
        "recuse": on(lambda by, it: actions.recuse(by=by, request=it, reason="A friend asks.")),
        "return": on(lambda by, it: actions.return_request(by=by, request=it, **RETURN)),
        "grant": on(lambda by, it: actions.decide_request(by=by, request=it, answers=answers(it, False))),
        "decline": on(lambda by, it: actions.decide_request(by=by, request=it, answers=answers(it, True))),
    }
    return acts.get(verb)


def request_door(verb: str, request: AccessRequest) -> Door | None:
    """The operation that calls the verb."""
    own = f"/api/v1/organisations/{request.partner.slug}/requests/{request.pk}"
    lab = f"/api/v1/review/requests/{request.pk}"
    item = request.items.get()
    asked = {"wanted": [{"size": item.size.path, "tokens": 7}], "purpose": factories.PURPOSE, "purposes": ["belief"]}
    terms = {"ends_on": str(factories.in_days(30)), "token_quota": 7, "purposes": ["belief"], "reduction_reason": "So."}
    doors = {
        "save": ("PUT", own, asked),
        **{verb: ("POST", f"{own}/{verb}", {}) for verb in ("submit", "withdraw", "copy", "appeal")},
        "say": ("POST", f"{own}/remarks", SAID),
        "answer": ("POST", f"{lab}/remarks", SAID),
        "note": ("POST", f"{lab}/remarks", SAID | {"internal": True}),
        "claim": ("POST", f"{lab}/claim", {}),
        "recuse": ("POST", f"{lab}/recuse", {"reason": "A friend asks."}),
        "return": ("POST", f"{lab}/return", RETURN),
        "grant": ("POST", f"{lab}/decisions", {"answers": [{"item": item.pk, "terms": terms}]}),
        "decline": ("POST", f"{lab}/decisions", {"answers": [{"item": item.pk, **DECLINE}]}),
    }
    if verb not in doors:
        return None
    method, path, body = doors[verb]
    seen_by = OF_THE_LAB if path.startswith(lab) else OF_THE_ORGANISATION
    hidden = frozenset({"draft"}) if seen_by is OF_THE_LAB else frozenset()
    return Door(method, path, body, seen_by, hidden)


@pytest.mark.parametrize("state", REQUEST_STATES)
def test_verbs_on_requests_work_where_the_table_says_and_nowhere_else(state: str, northlake, size_124m, asking, tom):
    cast = cast_of(northlake)
    headers, trace = headers_of(cast), trace_of(northlake)
    request, wrong = request_when(state, northlake, size_124m, asking, by=cast["investigator"], tom=tom), []
    for row in rows_of(REQUESTS, REQUEST_STATES).values():
        act, door = request_act(row.verb, request.pk, asking), request_door(row.verb, request)
        wrong += Table(row, cast, headers, act, door, trace).wrong_in(state)
    assert not wrong, "\n".join(wrong)


# --- grants


def grant_when(state: str, partner, size, asking, *, by: User, tom: User) -> Grant:
    """A grant in a state, as the verbs bring it there. It was suspended once, and lifted unless it still is."""
    request = actions.request_access(by=by, partner=partner, **asking(size))
    grant = factories.granted(request, by=tom)
    suspension = actions.suspend(by=tom, subject=grant, **SUSPEND)
    if state != "suspended":
        actions.lift_suspension(by=tom, suspension=suspension, reason="It was checked.")
    grant.refresh_from_db()
    if state == "revoked":
        actions.revoke_grant(by=tom, grant=grant, **REVOKE)
    elif state == "expired":
        actions.expire_grants(by=None, at=grant.ends_at)
    elif state == "replaced":
        draft = actions.change_grant(by=by, grant=grant, kind="renewal")
        actions.save_request(by=by, request=draft, **asking(size, use_summary="We read 400 texts."))
        actions.submit_request(by=by, request=draft)
        factories.granted(draft, by=tom)
    grant.refresh_from_db()
    assert grant.status == state
    return grant


def grant_act(verb: str, pk: int) -> Callable[[User], object]:
    def on(call: Callable[[User, Grant], object]) -> Callable[[User], object]:
        return lambda by: call(by, Grant.objects.latest_first().get(pk=pk))

    def lift(by: User, grant: Grant) -> None:
        actions.lift_suspension(by=by, suspension=grant.suspensions.get(), reason="It was checked.")

    def generate(by: User, grant: Grant) -> None:
        jobs.submit(by=by, partner=grant.partner, size=grant.size, **JOB)

    return {
        "revoke": on(lambda by, it: actions.revoke_grant(by=by, grant=it, **REVOKE)),
        "suspend": on(lambda by, it: actions.suspend(by=by, subject=it, **SUSPEND)),
        "lift": on(lift),
        "amend": on(lambda by, it: actions.change_grant(by=by, grant=it, kind="amendment")),
        "renew": on(lambda by, it: actions.change_grant(by=by, grant=it, kind="renewal")),
        "generate": on(generate),
    }[verb]


def grant_door(verb: str, grant: Grant) -> Door:
    own = f"/api/v1/organisations/{grant.partner.slug}/grants/{grant.pk}"
    lift = f"/api/v1/review/suspensions/{grant.suspensions.get().pk}/lift"
    job = JOB | {"organisation": grant.partner.slug, "size": grant.size.path}
    path, body, seen_by = {
        "revoke": (f"/api/v1/review/grants/{grant.pk}/revoke", REVOKE, OF_THE_LAB),
        "suspend": ("/api/v1/review/suspensions", SUSPEND | {"grant": grant.pk}, OF_THE_LAB),
        "lift": (lift, {"reason": "It was checked."}, OF_THE_LAB),
        "amend": (f"{own}/amendment", {}, OF_THE_ORGANISATION),
        "renew": (f"{own}/renewal", {}, OF_THE_ORGANISATION),
        "generate": ("/api/v1/jobs", job, OF_THE_ORGANISATION),
    }[verb]
    return Door("POST", path, body, seen_by)


@pytest.mark.parametrize("state", GRANT_STATES)
def test_verbs_on_grants_work_where_the_table_says_and_nowhere_else(
    state: str, no_other_grants, quiet, northlake, size_124m, asking, tom
):
    cast = cast_of(northlake)
    headers, trace = headers_of(cast), trace_of(northlake)
    grant, wrong = grant_when(state, northlake, size_124m, asking, by=cast["investigator"], tom=tom), []
    for row in rows_of(GRANTS, GRANT_STATES).values():
        act, door = grant_act(row.verb, grant.pk), grant_door(row.verb, grant)
        wrong += Table(row, cast, headers, act, door, trace).wrong_in(state)
    assert not wrong, "\n".join(wrong)


def trace_of(partner) -> Trace:
    """The rows that a verb on a request or a grant could change."""
    grants = Grant.objects.filter(partner=partner)
    return Trace(
        AccessRequest.objects.filter(partner=partner),
        RequestItem.objects.filter(partner=partner),
        grants,
        Suspension.objects.filter(grant__in=grants),
        Job.objects.filter(partner=partner),
    )


def test_tables_name_every_state():
    assert set(REQUEST_STATES) == set(AccessRequest.Status.values)
    assert set(GRANT_STATES) == set(Grant.Status.values)
