"""The form of a new job. Every limit comes from `limits.py`."""

import secrets
from collections.abc import Iterable
from typing import Any

from django import forms

from release_portal.access.models import Grant, Purpose
from release_portal.lib.states import Refused
from release_portal.partners.shortcuts import PlainWords

from .limits import LIMITS, LONGEST_NAME, WEIGHT, GivenPrompt, Limit
from .prompts import lines_of, read_prompts


class LimitField(forms.Field):
    """A number between limits; what is outside them is said in the limit's own sentence."""

    def __init__(self, limit: Limit, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "numeric" if limit.kind is int else "decimal"})
        super().__init__(label=limit.label, help_text=limit.help, initial=limit.default, widget=widget, **kwargs)
        self.limit = limit

    def clean(self, value: Any) -> int | float | None:
        if not self.required and not str(value or "").strip():
            return None
        try:
            return self.limit.read(value)
        except Refused as refused:
            raise forms.ValidationError(refused.sentence) from refused


class WorkerForm(PlainWords, forms.Form):
    """Whom to give a key."""

    name = forms.CharField(
        label="Name",
        max_length=63,
        help_text="Such as the name of its machine: letters, digits, dots, dashes and underscores.",
    )


class GrantChoice(forms.ModelChoiceField[Grant]):
    def label_from_instance(self, grant: Grant) -> str:
        return f"{grant.size}: {grant.tokens_left:,} tokens left, until {grant.last_day:%-d %b %Y} ({grant.partner})"


class JobForm(PlainWords, forms.Form):
    grant = GrantChoice(
        label="Size",
        queryset=Grant.objects.none(),
        empty_label=None,
        help_text="The sizes granted to your organisation.",
    )
    purpose = forms.ChoiceField(
        label="Purpose", required=False, help_text="One of those that the grant allows; else the first of them."
    )
    prompts = forms.CharField(
        label="Prompt",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 5, "class": "mono"}),
        help_text="The text to continue.",
    )
    one_per_line = forms.BooleanField(label="Each line is a prompt of its own", required=False)
    file = forms.FileField(
        label="Or a file of prompts",
        required=False,
        help_text='UTF-8: .txt with one prompt a line, or .jsonl with one {"prompt": …} a line, whose other '
        "fields come back with its texts; at most 50,000.",
    )
    samples = LimitField(LIMITS["samples"])
    max_new_tokens = LimitField(LIMITS["max_new_tokens"])
    temperature = LimitField(LIMITS["temperature"])
    top_k = LimitField(LIMITS["top_k"])
    top_p = LimitField(LIMITS["top_p"])
    seed = LimitField(LIMITS["seed"], required=False)
    name = forms.CharField(
        label="Name of the job", required=False, max_length=LONGEST_NAME, help_text="To find it again; yours to choose."
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, initial=lambda: secrets.token_urlsafe(16))

    def __init__(self, *args: Any, grants: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["grant"].queryset = grants  # type: ignore[attr-defined]
        allowed = {purpose for grant in grants for purpose in grant.purposes}
        choices = [(value, label) for value, label in Purpose.choices if value in allowed]
        self.fields["purpose"].choices = [("", "The first that the grant allows"), *choices]  # type: ignore[attr-defined]
        self.fields["prompts"].required = not self.files.get("file")
        self.fields["prompts"].error_messages["required"] = "Type a prompt, or choose a file of prompts."
        self.fields["seed"].help_text += " Leave it empty to have one drawn."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("file") and cleaned.get("prompts", "").strip():
            sentence = (
                "A prompt is typed and a file chosen; a job takes one of the two. Clear the prompt, or choose no file."
            )
            self.add_error("prompts", sentence)
        return cleaned

    def each_prompt(self) -> Iterable[str | GivenPrompt]:
        """The prompts, from the file where there is one. Raises Refused."""
        file = self.cleaned_data["file"]
        if file:
            return read_prompts(file.name, lines_of(file))
        typed = self.cleaned_data["prompts"].replace("\r\n", "\n")
        if self.cleaned_data["one_per_line"]:
            return [line for line in typed.split("\n") if line.strip()]
        return [typed] if typed.strip() else []

    def send_anew(self) -> None:
        """Give the form a key of its own again: it was sent before, and what it asks for has changed since."""
        self.data = {**self.data.dict(), "idempotency_key": secrets.token_urlsafe(16)}  # type: ignore[attr-defined]
        self.add_error(None, "To make a second job of it, submit it once more.")

    def settings(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in (*LIMITS, "name", "purpose", "idempotency_key")}


class WeightForm(PlainWords, forms.Form):
    """Of an organisation's turns at a size."""

    weight = LimitField(WEIGHT)
