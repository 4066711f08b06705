"""The book only grows: the database refuses everything else, and every verb leaves one line."""

import re
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from agreements import actions as agreements
from release_portal.access import actions as access
from release_portal.access.models import AccessRequest
from release_portal.audit.actions import record
from release_portal.audit.models import Event, key_of
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Job
from release_portal.lib.states import Refused
from release_portal.partners import actions as partners
from release_portal.partners.models import Letter, Membership, Role
from release_portal.releases import actions as releases
from release_portal.releases.models import Audience, Component

from .. import factories

pytestmark = pytest.mark.usefixtures("db")

CHANGES = {
    "update": "UPDATE {table} SET id = id",
    "delete": "DELETE FROM {table}",
    "truncate": "TRUNCATE {table} CASCADE",
}
DISARMING = {
    "disable trigger": "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "drop trigger": "DROP TRIGGER {table}_rows ON {table}",
    "replace the trigger's function": "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql "
    "AS $$ BEGIN RETURN OLD; END $$",
    "become a replica": "SET session_replication_role = replica",
    "become the owner": "SET ROLE portal_owner",
    "drop the table": "DROP TABLE {table} CASCADE",
    "add a rule": "CREATE RULE quietly AS ON INSERT TO {table} DO INSTEAD NOTHING",
    "grant oneself the right": "GRANT UPDATE, DELETE, TRUNCATE ON {table} TO portal_app",
}
TABLES = [
    "audit_event",
    "audit_securityevent",
    "agreements_agreementversion",
    "agreements_signature",
    "releases_opening",
]


def rights(table: str) -> set[str]:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT right_, has_table_privilege(%s, right_) FROM unnest(%s::text[]) AS right_",
            [table, ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"]],
        )
        return {right for right, held in cursor.fetchall() if held}


def attempt(sql: str, table: str, alias: str) -> None:
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(sql.format(table=table))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", CHANGES)
def test_change_is_refused_on_the_applications_own_connection(table, change):
    with pytest.raises(DatabaseError, match=f"permission denied|table {table} only grows"):
        attempt(CHANGES[change], table, "default")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("way", DISARMING)
def test_disarming_is_refused_on_the_applications_own_connection(table, way):
    before = rights(table)
    try:
        attempt(DISARMING[way], table, "default")
    except DatabaseError as refused:
        assert any(words in str(refused) for words in ("must be owner", "permission denied", "must be member"))
    assert rights(table) == before == {"SELECT", "INSERT"}, "PostgreSQL answers a GRANT without the right by a warning"


@pytest.mark.django_db(databases=["default", "owner"])
@pytest.mark.parametrize("change", CHANGES)
def test_change_is_refused_even_to_the_owner(change):
    Event.objects.using("owner").create(kind="thing.happened", sentence="It did", at=timezone.now(), about=[])
    connections["owner"].check_constraints()  # or PostgreSQL puts off a TRUNCATE for another reason
    with pytest.raises(DatabaseError, match="table audit_event only grows"):
        attempt(CHANGES[change], "audit_event", "owner")


def test_change_through_the_orm_is_refused(applied):
    for change in (lambda: Event.objects.update(sentence="x"), lambda: Event.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_record_tells_who_what_when_and_on_which_things(northlake, ada):
    before = timezone.now()
    event = record("thing.happened", "It happened", northlake, ada, by=ada, detail={"count": 2})
    event.refresh_from_db()
    assert (event.kind, event.sentence, event.by, event.detail) == ("thing.happened", "It happened", ada, {"count": 2})
    assert event.about == [f"partners.partner:{northlake.pk}", f"partners.user:{ada.pk}"]
    assert before <= event.at <= timezone.now()


def test_events_are_found_by_what_they_are_about_and_by_words(northlake, southbank, rita):
    kinds = [event.kind for event in Event.objects.about(northlake).newest_first()]
    assert kinds == ["agreement.signed", "partner.admitted", "partner.applied"]
    assert not Event.objects.about(northlake).filter(about__contains=[key_of(southbank)])
    assert {event.by for event in Event.objects.about(northlake, southbank).matching("admitted")} == {rita}
    assert Event.objects.about(northlake).matching("rita moss").count() == 1


# --- one event for each verb, and none where the verb came to nothing


@dataclass
class Cast:
    """What the verbs below act on; each verb has one line."""

    request: pytest.FixtureRequest

    def __getattr__(self, name):
        return self.request.getfixturevalue(name)

    @property
    def membership(self):
        return Membership.objects.get(user=self.ben)

    @property
    def invitation(self):
        roles = list(Role.objects.filter(code="viewer"))
        return partners.invite(by=self.ada, partner=self.northlake, email="new@northlake.example", roles=roles)

    @property
    def token(self):
        return partners.create_token(by=self.ada, name="laptop")[0]

    def report(self, **fields):
        return factories.report_on(self.order, **fields)


def _apply(cast):
    return lambda by=cast.ada, details=cast.application(): partners.apply(by=by, **details)


def _admit(cast):
    return lambda partner=cast.applied, by=cast.rita: partners.admit(by=by, partner=partner)


def _decline(cast):
    return lambda partner=cast.applied, by=cast.rita: partners.decline(by=by, partner=partner, reason="Too vague.")


def _invite(cast):
    northlake, roles = cast.northlake, list(Role.objects.filter(code="viewer"))
    return lambda: partners.invite(by=cast.ada, partner=northlake, email="new@northlake.example", roles=roles)


def _withdraw_invitation(cast):
    return lambda it=cast.invitation: partners.withdraw_invitation(by=cast.ada, invitation=it)


def _decline_invitations(cast):
    factories.InvitationFactory(partner=cast.northlake, email=cast.tom.email)
    return lambda: partners.decline_invitations(by=cast.tom, partner=cast.northlake)


def _remove_member(cast):
    cast.ben  # noqa: B018 - he joins
    return lambda it=cast.membership: partners.remove_member(by=cast.ada, membership=it)


def _create_token(cast):
    return lambda by=cast.ada: partners.create_token(by=by, name="laptop")


def _revoke_token(cast):
    return lambda it=cast.token: partners.revoke_token(by=cast.ada, token=it)


def _add_family(cast):
    return lambda: releases.add_family(by=None, slug="another", name="Another", summary="Another.")


def _add_size(cast):
    return lambda family=cast.gpt2: releases.add_size(
        by=None, family=family, name="9B", parameters=9 * 10**9, context_tokens=1024
    )


def _edit_family(cast):
    texts = {"name": "GPT-2", "summary": "Four sizes.", "description": "", "licence": "MIT"}
    return lambda family=cast.gpt2, by=cast.mara: releases.edit_family(by=by, family=family, **texts)


def _edit_size(cast):
    facts = {"context_tokens": 1024, "hub_id": "lab/gpt2"}
    return lambda size=cast.size_124m, by=cast.mara: releases.edit_size(by=by, size=size, **facts)


def _correct_size(cast):
    erratum = {"name": "125M", "on": date(2019, 8, 20), "reason": "It was counted wrongly."}
    return lambda size=cast.size_124m, by=cast.mara: releases.correct_size(by=by, size=size, **erratum)


def _add_licence(cast):
    details = {"name": "MIT", "version": "1", "text": "Use it."}
    return lambda by=cast.mara: releases.add_licence(by=by, **details)


def _register_artefact(cast):
    folder, settings = cast.tmp_path, cast.settings
    settings.ARTEFACTS_ROOT = folder
    (folder / "paper").mkdir()
    (folder / "paper" / "paper.pdf").write_bytes(b"%PDF")
    details = {"component": Component.PAPER, "version": "1", "folder": "paper"}
    return lambda family=cast.gpt2, by=cast.mara: releases.register_artefact(by=by, of=family, **details)


def _hash_artefacts(cast):
    _register_artefact(cast)()
    return lambda: releases.hash_artefacts(by=None)


def _fail_artefact(cast):
    _register_artefact(cast)()
    (cast.tmp_path / "paper" / "paper.pdf").write_bytes(b"%PDF, and more")
    return lambda: releases.hash_artefacts(by=None)


def _open_component(cast):
    return lambda size=cast.size_124m, by=cast.mara: releases.open_component(
        by=by, of=size, component=Component.WEIGHTS, audience=Audience.OPEN, reason="No harm was seen."
    )


def _note_weights(cast):
    return lambda size=cast.size_124m: releases.note_weights(by=None, size=size, manifest_sha256="ab" * 32, worker="w")


def _publish_version(cast):
    return lambda: agreements.publish_version(by=None, text="# Another text\n")


def _sign(cast):
    admitted, details = cast.admitted, cast.signing(cast.agreement_version)
    return lambda: agreements.sign(by=cast.ada, partner=admitted, **details)


def _request_access(cast):
    northlake, size, asking = cast.northlake, cast.size_124m, cast.asking
    return lambda: access.request_access(by=cast.ada, partner=northlake, **asking(size))


def _withdraw_request(cast):
    return lambda it=cast.access_request: access.withdraw_request(by=cast.ada, request=it)


def _grant_request(cast):
    day = factories.in_days(9)
    return lambda it=cast.access_request: factories.granted(it, by=cast.rita, ends_on=day, token_quota=9)


def _decline_request(cast):
    return lambda it=cast.access_request: factories.declined(it, by=cast.rita, reason="Too vague.")


def _revoke_grant(cast):
    return lambda it=cast.grant, by=cast.mara: access.revoke_grant(
        by=by, grant=it, reason_code="misuse", reason="A key was shared."
    )


def _expire_grants(cast):
    cast.no_other_grants  # noqa: B018 - whose time would be over too
    return lambda grant=cast.grant: access.expire_grants(by=None, at=grant.ends_at)


WHY = {"reason_code": "key", "reason": "A key was shared."}


def _suspend(cast):
    return lambda it=cast.grant, by=cast.rita: access.suspend(by=by, subject=it.partner, **WHY)


def _propose(cast):
    return lambda by=cast.rita: access.suspend(by=by, subject=None, **WHY)


def _drop(cast):
    proposed = access.suspend(by=cast.rita, subject=None, **WHY)
    return lambda by=cast.tom: access.drop_suspension(by=by, suspension=proposed)


def _lift(cast):
    suspension = access.suspend(by=cast.rita, subject=cast.grant.partner, **WHY)
    return lambda by=cast.tom: access.lift_suspension(by=by, suspension=suspension, reason="It was checked.")


def _hold(cast):
    access.suspend(by=cast.rita, subject=cast.job.partner, **WHY)
    return lambda: jobs.enforce_rule(by=None, at=timezone.now())


def _resume(cast):
    suspension = access.suspend(by=cast.rita, subject=cast.job.partner, **WHY)
    jobs.enforce_rule(by=None, at=timezone.now())
    access.lift_suspension(by=cast.tom, suspension=suspension, reason="It was checked.")
    return lambda: jobs.enforce_rule(by=None, at=timezone.now())


def _stage(cast):
    rows = [(cast.access_request.pk, cast.access_request.revision)]
    return lambda by=cast.rita: access.stage_batch(by=by, verb="grant", rows=rows)


def _staged(cast):
    return access.stage_batch(by=cast.rita, verb="resume", rows=[(cast.grant.pk, None)], reason="It was checked.")


def _apply_batch(cast):
    return lambda it=_staged(cast), by=cast.rita: access.apply_batch(by=by, batch=it)


def _drop_batch(cast):
    return lambda it=_staged(cast), by=cast.rita: access.drop_batch(by=by, batch=it)


def _choose_mail(cast):
    return lambda by=cast.ada: partners.choose_mail(by=by, mail="daily")


def _submit(cast):
    submit = cast.submit
    return lambda: submit()


def _dispatch(cast):
    cast.job, cast.worker  # noqa: B018 - work and somebody to do it
    return lambda: jobs.dispatch(by=None)


def _cancel(cast):
    return lambda job=cast.job: jobs.cancel(by=cast.ben, job=job)


def _finish(cast):
    return lambda reported=cast.report(ended=True): jobs.receive_report(by=None, report=reported)


def _fail(cast):
    reported = cast.report(texts=0, ended=True, error="The weights are corrupt.")
    return lambda: jobs.receive_report(by=None, report=reported)


def _hand_back(cast):
    return lambda reported=cast.report(texts=0, ended=True, stopped=True): jobs.receive_report(by=None, report=reported)


def _hand_out_again(cast):
    reported = cast.report(texts=0, ended=True, error="Out of memory.", retry=True)
    return lambda: jobs.receive_report(by=None, report=reported)


def _take_back(cast):
    at = cast.order.leased_until + timedelta(minutes=1)
    return lambda: jobs.dispatch(by=None, at=at)


def _stop(cast):
    job, grant = cast.job, cast.grant
    return lambda: jobs.enforce_rule(by=None, at=grant.ends_at) and job


def _size_unserved(cast):
    at = cast.job.submitted_at + timedelta(minutes=1)
    return lambda: jobs.watch_fleet(by=None, at=at)


def _size_served(cast):
    at = cast.job.submitted_at + timedelta(minutes=1)
    jobs.watch_fleet(by=None, at=at)
    factories.beat(at=at)
    return lambda: jobs.watch_fleet(by=None, at=at)


def _set_weight(cast):
    return lambda it=cast.northlake, by=cast.mara, size=cast.size_124m: jobs.set_weight(
        by=by, partner=it, size=size, weight=2
    )


def _try_now(cast):
    return lambda it=factories.FailureFactory(), by=cast.mara: jobs.try_now(by=by, failure=it)


def _hello(cast):
    jobs.enroll_worker(by=None, name="worker-new")
    return lambda: factories.beat("worker-new")


def _enroll(cast):
    return lambda by=cast.mara: jobs.enroll_worker(by=by, name="worker-new")


def _revoke_worker(cast):
    return lambda it=cast.worker, by=cast.mara: jobs.revoke_worker(by=by, worker=it, reason="Its machine was stolen.")


def _keep_tokens(cast):
    return lambda by=cast.ada: partners.keep_tokens(by=by, keep=[])


def _disable(cast):
    return lambda it=cast.cleo, by=cast.mara: partners.disable_person(by=by, person=it, reason="A key was shared.")


def _remove_factors(cast):
    return lambda it=cast.cleo, by=cast.mara: partners.remove_factors(by=by, person=it, reason="A telephone was lost.")


def _enable(cast):
    _disable(cast)()
    return lambda it=cast.cleo, by=cast.mara: partners.enable_person(by=by, person=it, reason="It was checked.")


def _reseal(cast):
    cast.worker  # noqa: B018 - it has a key
    cast.settings.SECRET_KEY_FALLBACKS, cast.settings.SECRET_KEY = [cast.settings.SECRET_KEY], "the next one"
    return lambda: partners.reseal_secrets(by=None)


def _flag(cast):
    return lambda it=cast.worker: jobs.flag(by=None, name=it.name, flaw="a text with -1 tokens", at=timezone.now())


def _return_application(cast):
    return lambda it=cast.applied, by=cast.rita: partners.return_application(by=by, partner=it, reason="Say more.")


def _correct_application(cast):
    details = {name: value for name, value in cast.application().items() if name != "will_sign"}
    partners.return_application(by=cast.rita, partner=cast.applied, reason="Say more.")
    return lambda it=cast.applied, by=cast.ada: partners.correct_application(by=by, partner=it, **details)


def _close(cast):
    return lambda it=cast.northlake, by=cast.ada: partners.close(by=by, partner=it)


def _join(cast):
    invitation = cast.invitation
    key = Letter.objects.filter(to=invitation.email).latest("id").url.rstrip("/").rpartition("/")[2]
    return lambda by=factories.UserFactory(email=invitation.email): partners.accept_invitation(by=by, key=key)


def _resend(cast):
    return lambda it=cast.invitation: partners.resend_invitation(by=cast.ada, invitation=it)


def _change_roles(cast):
    cast.ben  # noqa: B018 - he joins
    roles = list(Role.objects.filter(code="viewer"))
    return lambda it=cast.membership: partners.change_roles(by=cast.ada, membership=it, roles=roles)


def _appoint(cast):
    details = {"email": "new@lab.example", "name": "New Person", "roles": ["auditor"]}
    return lambda: partners.appoint(by=None, **details)


def _create_service(cast):
    details = {"name": "nightly study", "roles": list(Role.objects.filter(code="viewer"))}
    return lambda it=cast.northlake, by=cast.ada: partners.create_service_account(by=by, partner=it, **details)


def _close_service(cast):
    made = _create_service(cast)()
    return lambda by=cast.ada: partners.close_service_account(by=by, user=made)


def _pause(cast):
    return lambda by=cast.mara: partners.pause_intake(by=by, message="We move.")


def _resume_intake(cast):
    partners.pause_intake(by=cast.mara, message="We move.")
    return lambda by=cast.mara: partners.resume_intake(by=by)


def _return_request(cast):
    details = {"reason_code": "unclear", "reason": "Say more."}
    return lambda it=cast.access_request, by=cast.rita: access.return_request(by=by, request=it, **details)


def _correct_request(cast):
    _return_request(cast)()
    return lambda it=cast.access_request, by=cast.ada: access.submit_request(by=by, request=it)


def _discuss(cast):
    return lambda it=cast.access_request, by=cast.ada: access.say(by=by, request=it, text="When?")


def _note_on_request(cast):
    return lambda it=cast.access_request, by=cast.rita: access.say(by=by, request=it, text="Hm.", internal=True)


def _announce_end(cast):
    cast.no_other_grants  # noqa: B018 - that end as well
    at = cast.grant.ends_at - timedelta(days=20)
    return lambda: access.warn_of_ends(by=None, at=at)


def _claim(cast):
    return lambda it=cast.access_request, by=cast.rita: access.claim_request(by=by, request=it)


def _release(cast):
    _claim(cast)()
    return lambda it=cast.access_request, by=cast.rita: access.release_request(by=by, request=it)


def _recuse(cast):
    details = {"reason": "We wrote a paper together."}
    return lambda it=cast.access_request, by=cast.rita: access.recuse(by=by, request=it, **details)


def _needs_two(cast):
    access.set_rule(by=cast.mara, size=cast.size_124m, approvals=2, reason="Two read more than one.")
    return cast.access_request.items.get()


def _answer(cast):
    item = _needs_two(cast)
    return lambda by=cast.rita: factories.approved(item, by=by)


def _escalate(cast):
    """Of this request alone: others are about where tests left rows."""
    request = cast.access_request
    at = request.promised_at + timedelta(days=1)
    AccessRequest.objects.exclude(pk=request.pk).filter(promised_at__lt=at).update(promised_at=at + timedelta(days=1))
    return lambda: access.escalate_requests(by=None, at=at)


def _set_rule(cast):
    details = {"approvals": 2, "reason": "Two read more than one."}
    return lambda by=cast.mara, size=cast.size_124m: access.set_rule(by=by, size=size, **details)


def _report_finding(cast):
    details = {"size": cast.grant.size, "title": "It repeats", "text": "After 200 tokens it repeats itself."}
    return lambda by=cast.ada, it=cast.northlake: access.report_finding(by=by, partner=it, **details)


def _accept_finding(cast):
    return lambda it=_report_finding(cast)(), by=cast.rita: access.accept_finding(by=by, finding=it)


VERBS = {
    "partner.returned": _return_application,
    "partner.corrected": _correct_application,
    "partner.closed": _close,
    "member.joined": _join,
    "invitation.resent": _resend,
    "member.roles_changed": _change_roles,
    "staff.appointed": _appoint,
    "service.created": _create_service,
    "service.closed": _close_service,
    "intake.paused": _pause,
    "intake.resumed": _resume_intake,
    "access.returned": _return_request,
    "access.corrected": _correct_request,
    "access.discussed": _discuss,
    "access.end_announced": _announce_end,
    "review.claimed": _claim,
    "review.released": _release,
    "review.recused": _recuse,
    "review.answered": _answer,
    "review.noted": _note_on_request,
    "review.escalated": _escalate,
    "rule.set": _set_rule,
    "finding.sent": _report_finding,
    "finding.accepted": _accept_finding,
    "partner.applied": _apply,
    "partner.admitted": _admit,
    "partner.declined": _decline,
    "member.invited": _invite,
    "invitation.withdrawn": _withdraw_invitation,
    "invitation.declined": _decline_invitations,
    "member.removed": _remove_member,
    "token.created": _create_token,
    "token.revoked": _revoke_token,
    "token.looked_through": _keep_tokens,
    "family.added": _add_family,
    "size.added": _add_size,
    "family.edited": _edit_family,
    "size.edited": _edit_size,
    "size.corrected": _correct_size,
    "licence.added": _add_licence,
    "artefact.registered": _register_artefact,
    "artefact.hashed": _hash_artefacts,
    "artefact.failed": _fail_artefact,
    "component.opened": _open_component,
    "weights.found": _note_weights,
    "agreement.published": _publish_version,
    "agreement.signed": _sign,
    "access.requested": _request_access,
    "access.withdrawn": _withdraw_request,
    "access.granted": _grant_request,
    "access.declined": _decline_request,
    "access.revoked": _revoke_grant,
    "access.expired": _expire_grants,
    "batch.staged": _stage,
    "batch.applied": _apply_batch,
    "batch.dropped": _drop_batch,
    "suspension.began": _suspend,
    "suspension.proposed": _propose,
    "suspension.dropped": _drop,
    "suspension.lifted": _lift,
    "job.held": _hold,
    "job.resumed": _resume,
    "mail.chosen": _choose_mail,
    "job.submitted": _submit,
    "job.started": _dispatch,
    "job.cancelled": _cancel,
    "job.finished": _finish,
    "job.failed": _fail,
    "job.stopped": _stop,
    "order.handed_back": _hand_back,
    "order.handed_out_again": _hand_out_again,
    "order.taken_back": _take_back,
    "worker.joined": _hello,
    "worker.enrolled": _enroll,
    "worker.revoked": _revoke_worker,
    "secrets.resealed": _reseal,
    "person.disabled": _disable,
    "person.enabled": _enable,
    "person.factors_removed": _remove_factors,
    "worker.flagged": _flag,
    "size.unserved": _size_unserved,
    "size.served": _size_served,
    "share.set": _set_weight,
    "failure.retried": _try_now,
}


# A second time these are refused; the others say what is there already, or have nothing left to do.
REFUSED_TWICE = {
    "partner.applied", "partner.admitted", "partner.declined", "invitation.withdrawn", "member.removed",
    "invitation.declined", "person.disabled", "person.enabled", "person.factors_removed",
    "token.revoked", "agreement.signed", "access.requested", "access.withdrawn", "access.granted", "access.declined",
    "access.revoked", "job.cancelled", "suspension.began", "suspension.proposed", "suspension.dropped",
    "suspension.lifted", "batch.applied", "batch.dropped", "worker.enrolled", "worker.revoked", "partner.returned",
    "partner.corrected", "partner.closed", "member.joined", "service.created", "service.closed", "intake.resumed",
    "access.returned", "access.corrected", "review.released", "review.recused", "finding.accepted",
    "family.added", "size.added", "size.corrected", "licence.added", "artefact.registered",
}  # fmt: skip
AS_OFTEN_AS_ASKED = {
    "member.invited",
    "token.created",
    "token.looked_through",
    "component.opened",
    "family.edited",
    "size.edited",
    "job.submitted",
    "mail.chosen",
    "batch.staged",
    "failure.retried",
    "invitation.resent",
    "member.roles_changed",
    "staff.appointed",
    "intake.paused",
    "access.discussed",
    "review.answered",
    "review.claimed",
    "review.noted",
    "rule.set",
    "finding.sent",
}


@pytest.mark.parametrize("kind", VERBS)
def test_verb_leaves_exactly_one_event_of_its_kind_and_none_where_it_came_to_nothing(kind, request):
    verb = VERBS[kind](Cast(request))
    before = set(Event.objects.values_list("pk", flat=True))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        verb()
        raise ZeroDivisionError
    assert not Event.objects.exclude(pk__in=before).exists()
    verb()
    new = Event.objects.exclude(pk__in=before)
    assert [event.kind for event in new] == [kind]
    assert new[0].sentence
    if kind not in AS_OFTEN_AS_ASKED:
        with pytest.raises(Refused) if kind in REFUSED_TWICE else nullcontext():
            verb()
        assert [event.kind for event in new.all()] == [kind]


def test_every_kind_that_the_code_records_has_its_line_here(settings):
    """The kinds are read from the source, so that a new verb comes with its line above."""
    places = [*settings.BASE_DIR.glob("release_portal/*/actions.py"), *settings.BASE_DIR.glob("agreements/actions.py")]
    places += settings.BASE_DIR.glob("release_portal/*/actions/*.py")
    recorded = {kind for place in places for kind in re.findall(r'record\(\s*"([a-z_.]+)"', place.read_text())}
    recorded |= {f"job.{status}" for status in Job.Status.values} - {"job.queued", "job.running"}
    beside_another = {"job.texts_failed"}  # test_every_change.py
    assert recorded - beside_another == set(VERBS)
