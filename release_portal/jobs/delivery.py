"""Whether the texts of a job may be read now: what is suspended is held, and comes back once that is lifted."""

from datetime import datetime

from release_portal.access.rule import decide
from release_portal.lib.states import Forbidden

from .models import Job


def why_held(job: Job, *, at: datetime) -> str:
    """The sentence for the reader where the texts are held, else nothing. A grant that ended does not hold them."""
    return " ".join(missing.sentence for missing in decide(partner=job.partner, size=job.size, at=at).suspended)


def require_delivery(job: Job, *, at: datetime) -> None:
    """Raise Forbidden while the texts are held."""
    sentence = why_held(job, at=at)
    if sentence:
        raise Forbidden(f"These texts are held. {sentence}")
