"""What staff keep for their work at the desk: saved searches, columns, and batches."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from release_portal.lib.links import page_url
from release_portal.lib.states import Stateful, all_or_none
from release_portal.partners.models import User

from .vocabulary import DeclineReason, ReturnReason, RevokeReason, SuspendReason


class SavedSearch(models.Model):
    """A search of the desk under a name of one's own."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_searches")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=300)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="saved_search_once")]

    def __str__(self) -> str:
        return self.name


class DeskColumns(models.Model):
    """Which columns a person wants to see."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="desk_columns")
    names = ArrayField(models.CharField(max_length=20))

    def __str__(self) -> str:
        return f"columns of {self.user}"


class Batch(Stateful):
    """One act on many rows: staged, looked at, applied once, with a result for each row."""

    class Verb(models.TextChoices):
        GRANT = "grant", "Grant as asked"
        RETURN = "return", "Return for changes"
        DECLINE = "decline", "Decline"
        SUSPEND = "suspend", "Suspend"
        RESUME = "resume", "Resume"
        REVOKE = "revoke", "Revoke"

        @property
        def thing(self) -> str:
            """What a row is: a request or a grant."""
            return "request" if self in Batch.ON_REQUESTS else "grant"

    class Status(models.TextChoices):
        STAGED = "staged", "Staged"
        APPLIED = "applied", "Applied"
        DROPPED = "dropped", "Dropped"

    ON_REQUESTS: ClassVar = frozenset({Verb.GRANT, Verb.RETURN, Verb.DECLINE})
    CODES: ClassVar[dict[str, type[models.TextChoices]]] = {
        Verb.RETURN: ReturnReason,
        Verb.DECLINE: DeclineReason,
        Verb.SUSPEND: SuspendReason,
        Verb.REVOKE: RevokeReason,
    }
    COMES_FROM = {Status.APPLIED: {Status.STAGED}, Status.DROPPED: {Status.STAGED}}

    verb = models.CharField(max_length=8, choices=Verb)
    rows = models.JSONField(help_text="id and, for requests, the revision seen: [[17, 3], ...]")
    arguments = models.JSONField(default=dict)
    status = models.CharField(max_length=8, choices=Status, default=Status.STAGED)
    staged_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    staged_at = models.DateTimeField()
    applied_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    applied_at = models.DateTimeField(null=True)
    results = models.JSONField(default=list, help_text='[{"id", "name", "done", "sentence"}, ...]')

    class Meta:
        verbose_name_plural = "batches"
        constraints = [all_or_none("applied_by", "applied_at")]

    def __str__(self) -> str:
        thing = Batch.Verb(self.verb).thing
        return f"{self.get_verb_display()}: {len(self.rows)} {thing}{'' if len(self.rows) == 1 else 's'}"

    def get_absolute_url(self) -> str:
        return page_url("batch", self.pk)

    @property
    def reason_label(self) -> str:
        """The reason that was chosen from the list of its verb, where it has one."""
        codes = self.CODES.get(Batch.Verb(self.verb))
        return str(codes(self.arguments["reason_code"]).label) if codes else ""

    @property
    def status_text(self) -> str:
        if self.applied_by and self.applied_at:
            return f"applied by {self.applied_by} on {self.applied_at:%-d %B %Y, %H:%M} UTC"
        return self.get_status_display().lower()
