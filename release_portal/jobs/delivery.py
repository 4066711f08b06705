"""Whether the texts of a job may be read now: what is suspended is held, and comes back once that is lifted; and who
read them."""

from datetime import datetime, timedelta

from release_portal.access.rule import decide
from release_portal.audit.actions import note
from release_portal.audit.models import SecurityEvent
from release_portal.lib.states import Forbidden
from release_portal.partners.shortcuts import SignedIn
from release_portal.partners.watch import seen_from

from .models import Job

READING_IS_NOTED_EVERY = timedelta(minutes=1)  # a program asks again and again while its job runs


def why_held(job: Job, *, at: datetime) -> str:
    """The sentence for the reader where the texts are held, else nothing. A grant that ended does not hold them."""
    return " ".join(missing.sentence for missing in decide(partner=job.partner, size=job.size, at=at).suspended)


def deliver(request: SignedIn, job: Job, form: str, *, at: datetime) -> None:
    """Every door that hands out texts as a file or by the API passes here, with the form in which they go: it leaves a
    security event. Raises Forbidden while the texts are held.
    """
    sentence = why_held(job, at=at)
    if sentence:
        raise Forbidden(f"These texts are held. {sentence}")
    note_reading(request, job, form, f"Texts of a job of {job.what} were downloaded")


def note_reading(request: SignedIn, job: Job, form: str, sentence: str) -> None:
    """Leave a security event that the texts were read in this form: one a minute for each person, job and form."""
    kind, detail = SecurityEvent.Kind.TEXTS_READ, seen_from(request) | {"form": form}
    note(kind, sentence, job, job.partner, by=request.user, detail=detail, every=READING_IS_NOTED_EVERY)
