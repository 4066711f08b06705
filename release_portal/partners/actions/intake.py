"""Pausing the intake of applications and requests, and opening it again."""

from datetime import date

from django.db import transaction
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.states import Refused

from ..guards import require
from ..models import Pause, User
from ..permissions import Permission

LONGEST_MESSAGE = 500


@transaction.atomic
def pause_intake(*, by: User, message: str, resumes_on: date | None = None) -> Pause:
    """Take no new applications and requests until intake is resumed or the day comes that is named (UTC)."""
    require(by, Permission.RULE_SET)
    message = message.strip()
    if not message:
        raise Refused("Say why intake is paused: a message is needed, and applicants read it.", field="message")
    if len(message) > LONGEST_MESSAGE:
        raise Refused(
            f"The message takes at most {LONGEST_MESSAGE} characters; this has {len(message)}.",
            field="message",
            limit=LONGEST_MESSAGE,
            given=len(message),
        )
    now = timezone.now()
    if resumes_on is not None and resumes_on <= now.date():
        sentence = f"Intake resumes on a day after today, {now:%-d %B %Y}; you gave {resumes_on:%-d %B %Y}."
        raise Refused(sentence, field="resumes_on", limit=str(now.date()), given=str(resumes_on))
    pause = Pause.objects.create(paused=True, message=message, resumes_on=resumes_on, at=now, by=by)
    until = f" until {resumes_on:%-d %B %Y}" if resumes_on else ""
    record("intake.paused", f"Intake was paused{until}", pause, by=by)
    return pause


@transaction.atomic
def resume_intake(*, by: User) -> None:
    """Take applications and requests again."""
    require(by, Permission.RULE_SET)
    if Pause.objects.now() is None:
        raise Refused("Intake is not paused.")
    pause = Pause.objects.create(paused=False, at=timezone.now(), by=by)
    record("intake.resumed", "Intake was resumed", pause, by=by)
