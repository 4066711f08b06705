"""Acting on many rows at once: staged with its reason, looked at as if it were applied, applied once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.audit.loops import alone
from release_portal.lib.reasons import checked_reason
from release_portal.lib.states import Refused, transition
from release_portal.partners.actions import one_letter_each
from release_portal.partners.guards import require
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission

from ..models import AccessRequest, Batch, Grant
from ..terms import terms_asked
from .grants import revoke_grant
from .reviews import Answer, decide_request, return_request
from .suspensions import lift_suspension, suspend

MOST_ROWS = 100
FAILED = "An error in the portal stopped this row; nothing of it was done. The operator's log tells where."
PERMISSIONS = {
    **dict.fromkeys(Batch.ON_REQUESTS, Permission.REQUEST_DECIDE),
    Batch.Verb.SUSPEND: Permission.ACCESS_SUSPEND,
    Batch.Verb.RESUME: Permission.ACCESS_SUSPEND,
    Batch.Verb.REVOKE: Permission.GRANT_REVOKE,
}


@dataclass(frozen=True)
class Result:
    """What became of one row, in a sentence."""

    id: int
    name: str
    done: bool
    sentence: str


def verbs_of(*, by: User, on_requests: bool) -> list[Batch.Verb]:
    """What this person may do with many requests, or with many grants."""
    verbs = [verb for verb in Batch.Verb if (verb in Batch.ON_REQUESTS) == on_requests]
    mine = {permission for permission in {PERMISSIONS[verb] for verb in verbs} if by.may(permission)}
    return [verb for verb in verbs if PERMISSIONS[verb] in mine]


@transaction.atomic
def stage_batch(
    *, by: User, verb: str, rows: Sequence[tuple[int, int | None]], reason_code: str = "", reason: str = ""
) -> Batch:
    """Put an act on many rows in front of oneself. Nothing happens before it is applied.

    Each row is the key of a request with the revision that was seen, or the key of a grant with None.
    """
    if verb not in Batch.Verb.values:
        raise Refused("Choose what to do from the list.", field="verb", given=verb)
    chosen = Batch.Verb(verb)
    require(by, PERMISSIONS[chosen])
    if not rows:
        raise Refused(f"Choose one {chosen.thing} at least.", field="rows")
    if len(rows) > MOST_ROWS:
        sentence = f"A batch takes at most {MOST_ROWS} {chosen.thing}s; you chose {len(rows)}."
        raise Refused(sentence, field="rows", limit=MOST_ROWS, given=len(rows))
    codes = Batch.CODES.get(chosen)
    if codes and reason_code not in codes.values:
        raise Refused("Choose a reason from the list.", field="reason_code", given=reason_code)
    if chosen != Batch.Verb.GRANT:
        reason = checked_reason(reason, "Say why, for those concerned to read.")
    batch = Batch.objects.create(
        verb=chosen,
        rows=sorted(rows),
        arguments={"reason_code": reason_code, "reason": reason},
        staged_by=by,
        staged_at=timezone.now(),
    )
    record("batch.staged", f"“{batch}” was put together", batch, by=by)
    return batch


@transaction.atomic
def apply_batch(*, by: User, batch: Batch) -> list[Result]:
    """Do it, once: each row is done whole or refused with a sentence, and everybody gets one mail about all of it."""
    require(by, PERMISSIONS[Batch.Verb(batch.verb)])
    transition(batch, Batch.Status.APPLIED, applied_by=by, applied_at=timezone.now())
    with one_letter_each(subject=f"{batch.get_verb_display()}: what the lab did about your access"):
        results = [_result(batch, pk, seen, by=by) for pk, seen in batch.rows]
    batch.results = [asdict(result) for result in results]
    batch.save(update_fields=["results"])
    done = sum(result.done for result in results)
    record("batch.applied", f"“{batch}” was applied: {done} done, {len(results) - done} refused", batch, by=by)
    return results


@transaction.atomic
def drop_batch(*, by: User, batch: Batch) -> None:
    """Drop a staged batch; nothing of it happened."""
    require(by, PERMISSIONS[Batch.Verb(batch.verb)])
    transition(batch, Batch.Status.DROPPED)
    record("batch.dropped", f"“{batch}” was dropped", batch, by=by)


@contextmanager
def tried(*, by: User, batch: Batch) -> Iterator[list[Result]]:
    """Inside, the batch is applied and everything can be asked as it would be then; afterwards nothing has happened."""
    with transaction.atomic():
        yield apply_batch(by=by, batch=batch)
        transaction.set_rollback(True)
    batch.refresh_from_db()


def _result(batch: Batch, pk: int, seen: int | None, *, by: User) -> Result:
    on_requests = Batch.Verb(batch.verb).thing == "request"
    rows = AccessRequest.objects.sent().with_items() if on_requests else Grant.objects.latest_first()
    row: Any = rows.filter(pk=pk).first()
    if row is None:
        return Result(pk, f"number {pk}", False, "It is not there.")
    outcome = None
    try:
        with alone(f"A row of batch {batch.pk}"):
            outcome = _on_request(batch, row, seen, by=by) if on_requests else _on_grant(batch, row, by=by)
    except Refused as refused:
        return Result(pk, str(row), False, refused.sentence)
    return Result(pk, str(row), outcome is not None, FAILED if outcome is None else outcome)


def _on_request(batch: Batch, request: AccessRequest, seen: int | None, *, by: User) -> str:
    arguments = batch.arguments
    if batch.verb == Batch.Verb.RETURN:
        return_request(by=by, request=request, seen=seen, **arguments)
        return "Returned for changes."
    waiting = request.items.waiting().smallest_first().select_related("request")
    declines = batch.verb == Batch.Verb.DECLINE
    answers = [Answer(item, **arguments) if declines else Answer(item, terms_asked(item)) for item in waiting]
    tallies = decide_request(by=by, request=request, answers=answers, seen=seen)
    return " ".join(
        f"{answer.item}: {_became(answer) if tally.decided else tally.sentence}."
        for answer, tally in zip(answers, tallies, strict=True)
    )


def _became(answer: Answer) -> str:
    return f"granted {answer.terms.sentence}" if answer.terms else "declined"


def _on_grant(batch: Batch, grant: Grant, *, by: User) -> str:
    arguments = batch.arguments
    if batch.verb == Batch.Verb.SUSPEND:
        made = suspend(by=by, subject=grant, **arguments)
        return "Suspended." if made.begins_at else "Proposed; a second person has to confirm it."
    if batch.verb == Batch.Verb.REVOKE:
        revoke_grant(by=by, grant=grant, **arguments)
        return "Revoked."
    suspension = grant.suspensions.pending_or_active().first()
    if suspension is None:
        raise Refused("This grant is not suspended.")
    lift_suspension(by=by, suspension=suspension, reason=arguments["reason"])
    return "The suspension of this grant was lifted."
