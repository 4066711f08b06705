"""Whether the texts of a job may be read now: what is suspended is held, and comes back once that is lifted."""

from datetime import datetime

from release_portal.access.rule import decide
from release_portal.lib.states import Forbidden
from release_portal.partners.models import User

from .models import Job


def why_held(job: Job, *, at: datetime) -> str:
    """The sentence for the reader where the texts are held, else nothing. A grant that ended does not hold them."""
    return " ".join(missing.sentence for missing in decide(partner=job.partner, size=job.size, at=at).suspended)


def deliver(job: Job, form: str, *, by: User, at: datetime) -> None:
    """Every door that hands out texts as a file or by the API passes here, with the form in which `by` gets them.

    Raises Forbidden while the texts are held.
    """
    sentence = why_held(job, at=at)
    if sentence:
        raise Forbidden(f"These texts are held. {sentence}")
