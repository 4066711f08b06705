"""Forms of the lab: an answer to each item, returning, stepping aside, rules, revoking, suspending, pausing."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import TextChoices

from release_portal.access.actions.reviews import LONGEST_RECUSAL, Answer
from release_portal.access.actions.rules import LONGEST_RULE_REASON
from release_portal.access.forms import DayField, TokensField, typed_as, unmark
from release_portal.access.models import (
    Batch,
    DeclineReason,
    Purpose,
    RequestItem,
    ReturnReason,
    RevokeReason,
    SuspendReason,
)
from release_portal.access.terms import LONGEST_WAIVER, Terms, check_terms
from release_portal.lib.reasons import LONGEST_REASON
from release_portal.partners.forms import ReasonForm
from release_portal.partners.models import Role
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import PlainWords, refusals_on
from release_portal.releases.models import ModelSize

LATER, APPROVE, DECLINE = "", "approve", "decline"
LIMITS = ("sample_quota", "concurrent_jobs", "longest_text", "samples_per_prompt")


class AnswerForm(forms.Form):
    """What a reviewer answers to one item: terms, a reason, or nothing yet."""

    verdict = forms.ChoiceField(
        label="Answer",
        choices=[(LATER, "Decide later"), (APPROVE, "Grant"), (DECLINE, "Decline")],
        required=False,
        widget=forms.RadioSelect,
    )
    ends_on = DayField(label="Access ends on", required=False, help_text="The last day, in UTC.")
    token_quota = TokensField(label="Token quota", required=False)
    purposes = forms.MultipleChoiceField(
        label="Purposes", choices=Purpose, required=False, widget=forms.CheckboxSelectMultiple
    )
    starts_on = DayField(label="Access begins on", required=False, help_text="Leave it empty to begin at once.")
    sample_quota = TokensField(label="Text quota", required=False, help_text="Texts in all; empty: no limit.")
    concurrent_jobs = TokensField(label="Jobs at a time", required=False, help_text="Empty: no limit.")
    longest_text = TokensField(label="Longest text", required=False, help_text="Tokens; empty: no limit of its own.")
    samples_per_prompt = TokensField(label="Texts of a prompt", required=False, help_text="Empty: no limit of its own.")
    conditions = forms.CharField(
        required=False,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The organisation reads it.",
    )
    reduction_reason = forms.CharField(
        label="Why less than was asked for",
        required=False,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Needed for fewer tokens, an earlier end or fewer purposes. The applicant reads it.",
    )
    waiver = forms.CharField(label="Why the steps before it are waived", required=False, max_length=LONGEST_WAIVER)
    reason_code = forms.ChoiceField(
        label="Reason", choices=[("", "Choose one"), *DeclineReason.choices], required=False
    )
    reason = forms.CharField(
        label="In words",
        required=False,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The applicant reads it.",
    )
    note = forms.CharField(
        label="Internal note",
        required=False,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Only reviewers read it.",
    )

    def __init__(self, sent: Any, *, item: RequestItem, terms: Terms, steps_missing: str = "") -> None:
        offered = {field: value for field, value in vars(terms).items() if value is not None}
        super().__init__(sent, prefix=f"item_{item.pk}", initial=offered)
        self.item = item
        self.steps_missing = steps_missing
        asked = set(item.request.purposes)
        self.fields["purposes"].choices = [choice for choice in Purpose.choices if choice[0] in asked]  # type: ignore[attr-defined]
        if not item.is_metered:
            for field in ("token_quota", *LIMITS):
                del self.fields[field]
        if not steps_missing:
            del self.fields["waiver"]
        unmark(*self.fields.values())

    @property
    def terms_fields(self) -> list[forms.BoundField]:
        """In columns; the reason for less stands below them."""
        others = ("verdict", "reduction_reason", "reason_code", "reason", "note")
        return [field for field in self if field.name not in others]

    @property
    def reason_fields(self) -> list[forms.BoundField]:
        return [self["reason_code"], self["reason"]]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("verdict") == APPROVE:
            self._check_terms(cleaned)
        elif cleaned.get("verdict") == DECLINE:
            self._check_reason(cleaned)
        elif cleaned.get("reason_code") or cleaned.get("reason"):
            self.add_error("verdict", "You gave a reason: choose “Decline”, or leave the reason empty.")
        return cleaned

    def answer(self) -> Answer | None:
        """The answer as the verb takes it; None where it is left for later."""
        data = self.cleaned_data
        if data["verdict"] == DECLINE:
            return Answer(self.item, None, data["reason_code"], data["reason"], data["note"])
        return Answer(self.item, self._terms(data), note=data["note"]) if data["verdict"] == APPROVE else None

    def _terms(self, data: Mapping[str, Any]) -> Terms:
        names = ("starts_on", "conditions", "reduction_reason", "waiver", *LIMITS)
        limits = {name: data[name] for name in names if data.get(name) not in (None, "")}
        return Terms(data["ends_on"], data.get("token_quota") or 0, purposes=tuple(data["purposes"]), **limits)

    def _check_terms(self, data: Mapping[str, Any]) -> None:
        if not data.get("ends_on") and "ends_on" not in self.errors:
            self.add_error("ends_on", "Say when access ends.")
        if self.steps_missing and not data.get("waiver"):
            sentence = f"{self.item} comes after {self.steps_missing}. Waive that with a reason, or decline."
            self.add_error("waiver", sentence)
        if not self.errors:
            with refusals_on(self):
                check_terms(self.item, self._terms(data))

    def _check_reason(self, data: Mapping[str, Any]) -> None:
        if not data.get("reason_code"):
            self.add_error("reason_code", "Choose a reason from the list.")
        if not data.get("reason"):
            self.add_error("reason", "Say why, for the applicant to read: a reason is needed to decline.")


class CodedReasonForm(ReasonForm):
    """A reason from the list `codes`, where there is one, then in words; `readers` says who reads these."""

    reason_code = forms.ChoiceField(label="Reason")
    field_order = ("reason_code", "reason")
    codes: type[TextChoices] | None
    label = "In words"
    readers: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label=self.label, readers=self.readers, **kwargs)
        if self.codes:
            self.fields["reason_code"].choices = self.codes.choices  # type: ignore[attr-defined]
        else:
            del self.fields["reason_code"]


class ReturnForm(CodedReasonForm):
    reason_code = forms.ChoiceField(label="What to change")
    codes = ReturnReason
    label = "What to change, in words"
    readers = "The applicant reads it, corrects the request and sends it again."


class RecuseForm(PlainWords, forms.Form):
    reason = forms.CharField(
        label="Why you step aside", max_length=LONGEST_RECUSAL, help_text="Other reviewers read it."
    )


class RevokeForm(CodedReasonForm):
    codes = RevokeReason
    readers = "The organisation reads it."


class RuleForm(PlainWords, forms.Form):
    """What is asked before a size is granted."""

    approvals = forms.IntegerField(label="Approvals needed", initial=1)
    roles = forms.ModelMultipleChoiceField(
        label="Whose approvals count",
        queryset=Role.objects.filter(at_lab=True, permissions__contains=[Permission.REQUEST_DECIDE]),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: everybody who decides requests.",
    )
    veto_roles = forms.ModelMultipleChoiceField(
        label="Who can decline alone",
        queryset=Role.objects.filter(at_lab=True, permissions__contains=[Permission.REQUEST_DECIDE]),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Otherwise as many declines as approvals are needed.",
    )
    after_size = forms.ModelChoiceField(
        label="Comes after", queryset=ModelSize.objects.none(), required=False, empty_label="No other size"
    )
    after_days = forms.IntegerField(label="Days of it before", initial=0)
    findings = forms.IntegerField(label="Accepted findings on it", initial=0)
    reason = forms.CharField(label="Why it is so", max_length=LONGEST_RULE_REASON)

    def __init__(self, *args: Any, size: ModelSize, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        smaller = ModelSize.objects.filter(family=size.family, parameters__lt=size.parameters)
        self.fields["after_size"].queryset = smaller.smallest_first()  # type: ignore[attr-defined]

    def as_arguments(self) -> dict[str, Any]:
        """As the verb takes it: roles by their codes."""
        codes = {name: [role.code for role in self.cleaned_data[name]] for name in ("roles", "veto_roles")}
        return self.cleaned_data | codes


class BatchForm(CodedReasonForm):
    """The reason that a batch gives for each of its rows, where its verb needs one."""

    readers = "Everybody concerned reads it."

    def __init__(self, *args: Any, verb: str, **kwargs: Any) -> None:
        self.codes = Batch.CODES.get(Batch.Verb(verb))
        super().__init__(*args, **kwargs)
        if verb == Batch.Verb.GRANT:
            del self.fields["reason"]


class PauseForm(PlainWords, forms.Form):
    message = forms.CharField(
        label="Message to applicants",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Every page shows it, such as: “We are at work on the next size and read no applications now.”",
    )
    resumes_on = DayField(
        label="Taken again from", required=False, help_text="Leave it empty to resume by hand. In UTC."
    )


class SuspendForm(CodedReasonForm):
    """For the gravest, a word typed on purpose too."""

    typed = forms.CharField(label="To be sure")
    codes = SuspendReason
    readers = "The organisations concerned read it."

    def __init__(self, *args: Any, word: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.word = word
        if word:
            self.fields["typed"].help_text = f"Type “{word}”."
        else:
            del self.fields["typed"]

    def clean_typed(self) -> str:
        return typed_as(self.word, self.cleaned_data["typed"])


class TimeForm(PlainWords, forms.Form):
    """A moment, in UTC, and perhaps one size."""

    at = forms.DateTimeField(
        label="At (UTC)",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": "Give a day and a time, such as 2026-09-01 12:00."},
    )
    size = forms.ModelChoiceField(queryset=ModelSize.objects.smallest_first(), required=False, empty_label="Every size")
