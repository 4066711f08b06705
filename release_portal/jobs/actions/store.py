"""Keeping what became of texts: written, charged and counted together, once."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import F

from release_portal.access.actions import settle

from ..models import NOT_DELIVERED, Completion, Job, Share

FIELDS = {"text": "text", "error": "text", "prompt_tokens": "int", "tokens": "int", "finish_reason": "text"}


def store(*, job: Job, texts: Sequence[Completion], at: datetime) -> None:
    """Store finished texts of a job; the job and the order that held them are locked, and none was finished before.

    What was delivered is charged by its tokens, and the rest of what was set aside for it goes back to the grant.
    """
    for number, text in enumerate(texts, start=job.texts_done + 1):
        text.number, text.finished_at = number, at
    _write(texts)
    delivered = [text for text in texts if text.finish_reason not in NOT_DELIVERED]
    tokens, set_aside = sum(text.tokens or 0 for text in delivered), len(texts) * job.max_new_tokens
    settle(
        grant=job.grant,
        reserved=set_aside,
        used=tokens,
        samples_reserved=len(texts),
        samples_used=len(delivered),
    )
    Share.objects.charge(job, handed_out=-set_aside, used=tokens)
    Job.objects.filter(pk=job.pk).update(
        texts_done=F("texts_done") + len(texts),
        texts_refused=F("texts_refused") + len(texts) - len(delivered),
        tokens_done=F("tokens_done") + tokens,
    )
    job.refresh_from_db(fields=["texts_done", "texts_refused", "tokens_done"])


def _write(texts: Sequence[Completion]) -> None:
    """One UPDATE for all: Django's own would name each row once for each column."""
    columns = {**FIELDS, "finished_at": "timestamptz", "number": "int"}
    written = ", ".join(f"{name} = new.{name}::{kind}" for name, kind in columns.items())
    names = ", ".join(columns)
    places = ", ".join([f"({', '.join(['%s'] * (1 + len(columns)))})"] * len(texts))
    new = f"(VALUES {places}) AS new (id, {names})"
    sql = f"UPDATE jobs_completion AS old SET {written} FROM {new} WHERE old.id = new.id"  # noqa: S608 - the columns above
    values = [value for text in texts for value in (text.pk, *(getattr(text, name) for name in columns))]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
