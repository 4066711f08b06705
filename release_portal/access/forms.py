"""Forms of this room: asking, granting, and giving a reason."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from release_portal.partners.doors import PlainWords
from release_portal.releases.models import ModelSize

from .models import AccessRequest, SuspendReason


def in_a_year() -> date:
    return timezone.now().date() + timedelta(days=365)


class DayField(forms.DateField):
    """A day, picked or typed as 2027-05-31."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        errors = {"invalid": "Give a day of the calendar, such as 2027-05-31."}
        super().__init__(widget=widget, error_messages=errors, **kwargs)


class TokensField(forms.IntegerField):
    """A number of tokens, with or without separators."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"inputmode": "numeric"}), **kwargs)

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").replace(",", "").replace(" ", "").replace("\N{THIN SPACE}", "")
        if text and not text.lstrip("-").isdigit():
            raise forms.ValidationError(f"A quota is a whole number of tokens; you gave “{str(value)[:40]}”.")
        return super().to_python(text)


class AccessRequestForm(PlainWords, forms.ModelForm[AccessRequest]):
    tokens_wanted = TokensField(initial=1_000_000, help_text="How many generated tokens you expect to need.")
    until_wanted = DayField(label="Access wanted until", initial=in_a_year)

    class Meta:
        model = AccessRequest
        fields = ["size", "purpose", "tokens_wanted", "until_wanted"]
        widgets = {"purpose": forms.Textarea(attrs={"rows": 5})}
        help_texts = {"purpose": "What you will study with this size, and how. The reviewer reads exactly this."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["size"].queryset = ModelSize.objects.smallest_first()  # type: ignore[attr-defined]


class GrantForm(PlainWords, forms.Form):
    ends_on = DayField(label="Access ends on", help_text="The last day of access, in UTC.")
    token_quota = TokensField(label="Token quota", help_text="Generated tokens, all jobs of the organisation together.")


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"required": "Say why: the organisation reads the reason."},
    )


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


class SuspendForm(PlainWords, forms.Form):
    """A reason from the list and in words; for the gravest, a word typed on purpose."""

    reason_code = forms.ChoiceField(label="Reason", choices=SuspendReason)
    reason = forms.CharField(
        label="In words",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The organisations concerned read it.",
    )
    typed = forms.CharField(label="To be sure")

    def __init__(self, *args: Any, word: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.word = word
        if word:
            self.fields["typed"].help_text = f"Type “{word}”."
        else:
            del self.fields["typed"]

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).strip()
        if typed != self.word:
            raise forms.ValidationError(f"Type “{self.word}”; you typed “{typed[:40]}”.")
        return typed


class LiftForm(PlainWords, forms.Form):
    reason = forms.CharField(
        label="Why it can go on",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The organisations concerned read it.",
    )


class TimeForm(PlainWords, forms.Form):
    """A moment, in UTC, and perhaps one size."""

    at = forms.DateTimeField(
        label="At (UTC)",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": "Give a day and a time, such as 2026-09-01 12:00."},
    )
    size = forms.ModelChoiceField(queryset=ModelSize.objects.smallest_first(), required=False, empty_label="Every size")
