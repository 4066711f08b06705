"""Every row of record that an act changes is named by an event of the act, whichever verb it was."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from release_portal.access import actions as access
from release_portal.audit.models import Event
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Job
from release_portal.partners import actions as partners
from release_portal.partners.models import ApiToken, Letter, Role, User

from .. import factories
from .test_book import VERBS, WHY, Cast, _create_service, _needs_two

pytestmark = pytest.mark.usefixtures("db")

ROOMS = ("audit", "partners", "releases", "agreements", "access", "jobs", "account")
NO_RECORD = {
    "audit.event": "it is the record",
    "audit.securityevent": "it is a record of its own",
    "audit.failure": "what a loop tries again, gone once it is done",
    "account.emailconfirmation": "a mailed key that ends by itself",
    "partners.letter": "what the outbox carries; it empties itself",
    "partners.cached": "counters of the rate limits",
    "partners.applicationdraft": "what nobody was sent yet",
    "access.savedsearch": "what a reviewer keeps for their own work",
    "access.deskcolumns": "what a reviewer keeps for their own work",
    "jobs.prompt": "what a job says; its submission names the job",
    "jobs.completion": "the texts of a job, by the thousand; its events name the job",
    "jobs.workorder": "a lease between the site and a worker; what came of it stands with the job",
    "jobs.seenmessage": "the memory of the receiver",
    "jobs.drop": "a count of messages",
    "jobs.fileindex": "counted again whenever it is wanted",
}
NO_TERMS = {
    "partners.apitoken": {"last_used_at"},  # noted at its use
    "access.grant": {"tokens_used", "tokens_reserved", "samples_used", "samples_reserved"},  # the quota's ledger
    "jobs.job": {"texts_done", "texts_refused", "tokens_done", "served_at"},  # how far it is
    "releases.artefactfile": {"sha256"},  # how far the hashing is
    "jobs.share": {"tokens", "handed_out"},  # a place in the queue
    "jobs.worker": {  # as it last introduced itself
        "host", "device", "dtype", "sizes", "names", "loaded", "plain", "tokens", "tokens_per_s", "dropped", "seen_at",
        "left_at", "flaws", "last_flaw", "flawed_at",
    },
}  # fmt: skip
PARTS_OF = {  # rows that are part of another, by the column that names it
    "partners.membership_roles": ("partners.membership", "membership_id"),
    "partners.invitation_roles": ("partners.invitation", "invitation_id"),
    "partners.user_lab_roles": ("partners.user", "user_id"),
    "releases.artefactfile": ("releases.artefact", "artefact_id"),
    "account.emailaddress": ("partners.user", "user_id"),
}
UNSENT = {"access.accessrequest": {"draft"}, "access.requestitem": {"asked"}}
"""Statuses in which nobody was sent it yet."""

Rows = dict[tuple[str, Any], dict[str, Any]]


def rows_of_record() -> Rows:
    found: Rows = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            if model._meta.app_label in ROOMS and model._meta.label_lower not in NO_RECORD:
                cursor.execute(f"SELECT to_jsonb(t)::text FROM {model._meta.db_table} t")
                key = model._meta.pk.attname
                rows = [json.loads(row) for (row,) in cursor.fetchall()]
                found |= {(model._meta.label_lower, row[key]): row for row in rows}
    return found


def changed(before: Rows, after: Rows) -> Iterator[str]:
    """The keys of the rows whose status or terms are others now, of those that came and those that went."""
    for place in before.keys() | after.keys():
        (label, key), was, now = place, before.get(place, {}), after.get(place, {})
        differs = {name for name in was.keys() | now.keys() if was.get(name) != now.get(name)}
        if was and now:
            differs -= NO_TERMS.get(label, set())
        statuses = {row["status"] for row in (was, now) if row} if label in UNSENT else {""}
        if differs and not statuses <= UNSENT.get(label, set()):
            whole, column = PARTS_OF.get(label, (label, ""))
            yield f"{whole}:{(now or was)[column] if column else key}"


# --- acts that change more than one thing


def _close_all(cast):
    """Northlake has an invitation, a request that waits, and a grant."""
    cast.invitation, cast.grant  # noqa: B018 - they are there
    access.request_access(by=cast.ada, partner=cast.northlake, **cast.asking(cast.size_355m))
    return lambda: access.close_organisation(by=cast.ada, partner=cast.northlake)


def _invite_again(cast):
    email, roles = cast.invitation.email, list(Role.objects.filter(code="viewer"))
    return lambda: partners.invite(by=cast.ada, partner=cast.northlake, email=email, roles=roles)


def _remove_service(cast):
    account = _create_service(cast)()
    partners.create_token(by=cast.ada, name="nightly", user=account)
    return lambda: partners.remove_member(by=cast.ada, membership=account.memberships.get())


def _close_service_with_tokens(cast):
    account = _create_service(cast)()
    partners.create_token(by=cast.ada, name="nightly", user=account)
    return lambda: partners.close_service_account(by=cast.ada, user=account)


def _withdraw_with_review(cast):
    factories.approved(_needs_two(cast), by=cast.rita)
    return lambda: access.withdraw_request(by=cast.ada, request=cast.access_request)


def _return_with_review(cast):
    factories.approved(_needs_two(cast), by=cast.rita)
    details = {"reason_code": "unclear", "reason": "Say more."}
    return lambda by=cast.tom: access.return_request(by=by, request=cast.access_request, **details)


def _recuse_with_review(cast):
    factories.approved(_needs_two(cast), by=cast.rita)
    return lambda: access.recuse(by=cast.rita, request=cast.access_request, reason="We wrote a paper together.")


def _other_terms(cast):
    item = _needs_two(cast)
    factories.approved(item, by=cast.rita)
    return lambda by=cast.tom: factories.approved(item, by=by, token_quota=7)


def _second_approval(cast):
    item = _needs_two(cast)
    factories.approved(item, by=cast.rita)
    return lambda by=cast.tom: factories.approved(item, by=by)


def _veto(cast):
    details = {"approvals": 2, "veto_roles": ["reviewer"], "reason": "One may stop it."}
    access.set_rule(by=cast.mara, size=cast.size_124m, **details)
    item = cast.access_request.items.get()
    factories.approved(item, by=cast.rita)
    return lambda by=cast.tom: factories.declined(cast.access_request, by=by)


def _renew(cast):
    draft = access.change_grant(by=cast.ada, grant=cast.grant, kind="renewal")
    details = {"purposes": draft.purposes, "purpose": draft.purpose, "until_wanted": factories.in_days(400)}
    wanted = [access.Wanted(item.size, item.right, item.tokens_wanted) for item in draft.items.all()]
    access.save_request(by=cast.ada, request=draft, wanted=wanted, use_summary="We measured it.", **details)
    access.submit_request(by=cast.ada, request=draft)
    return lambda: factories.granted(draft, by=cast.rita)


def _suspend_grant(cast):
    return lambda by=cast.rita, it=cast.grant: access.suspend(by=by, subject=it, **WHY)


def _lift_grant(cast):
    suspension = access.suspend(by=cast.rita, subject=cast.grant, **WHY)
    return lambda by=cast.tom: access.lift_suspension(by=by, suspension=suspension, reason="It was checked.")


def _confirm(cast):
    suspension = access.suspend(by=cast.rita, subject=None, **WHY)
    return lambda by=cast.tom: access.confirm_suspension(by=by, suspension=suspension)


def _batch_of_declines(cast):
    rows = [(cast.access_request.pk, cast.access_request.revision)]
    details = {"reason_code": "purpose", "reason": "Too vague."}
    batch = access.stage_batch(by=cast.rita, verb="decline", rows=rows, **details)
    return lambda: access.apply_batch(by=cast.rita, batch=batch)


def _leave(cast):
    return lambda by=cast.ben, it=cast.northlake: partners.leave(by=by, partner=it)


def _give_texts_up(cast):
    for _ in range(2):
        reported = cast.report(texts=0, ended=True, error="Out of memory.", retry=True)
        jobs.receive_report(by=None, report=reported)
        jobs.dispatch(by=None)
    reported = cast.report(texts=0, ended=True, error="Out of memory.", retry=True)
    return lambda: jobs.receive_report(by=None, report=reported)


SEVERAL: dict[str, Callable] = {
    "close an organisation": _close_all,
    "invite again": _invite_again,
    "remove a service account": _remove_service,
    "close a service account with tokens": _close_service_with_tokens,
    "withdraw what was answered": _withdraw_with_review,
    "return what was answered": _return_with_review,
    "step aside after an answer": _recuse_with_review,
    "answer with other terms": _other_terms,
    "approve as the second": _second_approval,
    "decline alone": _veto,
    "renew a grant": _renew,
    "suspend a grant": _suspend_grant,
    "lift the suspension of a grant": _lift_grant,
    "confirm a suspension": _confirm,
    "apply a batch": _batch_of_declines,
    "leave": _leave,
    "give up texts": _give_texts_up,
}


@pytest.mark.parametrize("act", [*VERBS, *SEVERAL])
def test_act_names_every_row_that_it_changes(act, request):
    verb = {**VERBS, **SEVERAL}[act](Cast(request))
    before, last = rows_of_record(), Event.objects.latest("id").pk if Event.objects.exists() else 0
    verb()
    connection.check_constraints()  # as COMMIT does: no decision is without its event
    named = {key for event in Event.objects.filter(pk__gt=last) for key in event.about}
    unnamed = sorted(set(changed(before, rows_of_record())) - named)
    assert not unnamed


@pytest.mark.parametrize("act", [*VERBS, *SEVERAL])
def test_act_writes_nothing_of_a_person_into_the_book(act, request):
    """Neither names nor addresses nor what people wrote, so that a person can be forgotten."""
    verb = {**VERBS, **SEVERAL}[act](Cast(request))
    last = Event.objects.latest("id").pk if Event.objects.exists() else 0
    verb()
    texts = [Letter.objects.values_list("to", flat=True), User.objects.values_list("name", "email")]
    texts += [
        ApiToken.objects.values_list("name", flat=True),
        Job.objects.exclude(name="").values_list("name", flat=True),
    ]
    own = {text for found in texts for row in found for text in ([row] if isinstance(row, str) else row)}
    for event in Event.objects.filter(pk__gt=last):
        said = f"{event.sentence} {event.detail}"
        assert not [text for text in own if text in said]
        assert "@" not in said
        assert not [text for text in ("Say more.", "A key was shared.", "It was checked.", "stolen") if text in said]


def test_address_of_an_invitation_is_shown_to_who_may_invite(northlake, ada, ben, rita, client_of):
    roles = list(Role.objects.filter(code="viewer"))
    partners.invite(by=ada, partner=northlake, email="new@northlake.example", roles=roles)
    sentence = "Somebody was invited to University of Northlake"
    for person, path in ((ada, "/organisations/{}/"), (rita, "/review/organisations/{}/")):
        assert (
            f"{sentence} (new@northlake.example)" in client_of(person).get(path.format(northlake.slug)).content.decode()
        )
    page = client_of(ben).get(f"/organisations/{northlake.slug}/").content.decode()
    assert sentence in page
    assert "new@northlake.example" not in page


def test_person_whom_an_event_concerns_is_named_as_they_are_called_today(northlake, ada, ben, client_of):
    partners.remove_member(by=ada, membership=ben.memberships.get())
    User.objects.filter(pk=ben.pk).update(name="Benjamin Hart")
    event = Event.objects.about(northlake).newest_first()[0]
    assert (event.sentence, str(event)) == (
        "{whom} left University of Northlake",
        "Benjamin Hart left University of Northlake",
    )
    assert Event.objects.matching("benjamin").get() == event
    assert "Benjamin Hart left University" in client_of(ada).get(f"/organisations/{northlake.slug}/").content.decode()


def test_close_an_organisation_leaves_an_event_for_each_thing_that_ended(grant, ada, size_355m, asking, request):
    verb = _close_all(Cast(request))
    last = Event.objects.latest("id").pk
    verb()
    kinds = sorted(Event.objects.filter(pk__gt=last).values_list("kind", flat=True))
    assert kinds == ["access.revoked", "access.withdrawn", "invitation.withdrawn", "partner.closed"]


def test_what_is_no_record_is_there_and_has_a_reason():
    labels = {model._meta.label_lower for model in apps.get_models(include_auto_created=True)}
    assert NO_RECORD.keys() | NO_TERMS.keys() | PARTS_OF.keys() <= labels
    for label, columns in NO_TERMS.items():
        assert columns <= {field.attname for field in apps.get_model(label)._meta.concrete_fields}
