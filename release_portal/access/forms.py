"""Forms of this room: asking, granting, and giving a reason."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from release_portal.lib.text import number_in
from release_portal.partners.models import Partner
from release_portal.partners.shortcuts import PlainWords
from release_portal.releases.models import ModelSize

from .actions.requests import LONGEST, LONGEST_REMARK, Wanted
from .actions.rules import LONGEST_FINDING
from .models import AccessRequest, Purpose, RequestItem, Right


def typed_as(word: str, typed: str) -> str:
    """The word, where it was typed as it was asked for. Raises ValidationError."""
    if typed.strip() != word:
        given = f"; you typed “{typed.strip()[:40]}”" if typed.strip() else ""
        raise forms.ValidationError(f"Type “{word}”{given}.")
    return word


def unmark(*fields: forms.Field) -> None:
    """Say of no field that it is optional: what has to be filled in depends on what is done with the form."""
    for field in fields:
        field.unmarked = True  # type: ignore[attr-defined]


def in_a_year() -> date:
    return timezone.now().date() + timedelta(days=365)


class DayField(forms.DateField):
    """A day, picked or typed as 2027-05-31."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        errors = {"invalid": "Give a day of the calendar, such as 2027-05-31."}
        super().__init__(widget=widget, error_messages=errors, **kwargs)


class TokensField(forms.IntegerField):
    """A number of tokens, with or without separators; `what` begins the sentence about what is none."""

    def __init__(self, *, what: str = "A quota is a whole number of tokens", **kwargs: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"inputmode": "numeric"}), **kwargs)
        self.what = what

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").replace(",", "").replace(" ", "").replace("\N{THIN SPACE}", "")
        if text and number_in(text.removeprefix("-")) is None:
            raise forms.ValidationError(f"{self.what}; you gave “{str(value)[:40]}”.")
        return super().to_python(text)


class AccessRequestForm(forms.Form):
    """A request as a draft: for each size its rights and tokens, then the study. The verb says what is missing."""

    purposes = forms.MultipleChoiceField(
        label="What it is for",
        choices=Purpose,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="A grant allows some of these, and each job names one.",
    )
    purpose = forms.CharField(
        label="What you will study",
        required=False,
        max_length=LONGEST["purpose"],
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="What you will do with these sizes, and how. The reviewer reads exactly this.",
    )
    team = forms.CharField(
        label="Who will use it",
        required=False,
        max_length=LONGEST["team"],
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Names and roles of the people who generate or read texts.",
    )
    ethics_reference = forms.CharField(
        label="Ethics reference",
        required=False,
        max_length=LONGEST["ethics_reference"],
        help_text="The number of your ethics review, if there is one.",
    )
    until_wanted = DayField(
        label="Access wanted until", required=False, initial=in_a_year, help_text="The last day, in UTC."
    )
    use_summary = forms.CharField(
        label="What was done so far",
        required=False,
        max_length=LONGEST["use_summary"],
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="What you generated and found under the grant that this continues.",
    )
    grounds = forms.CharField(
        label="Why the decision should be another",
        required=False,
        max_length=LONGEST["grounds"],
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="A reviewer who did not take the first decision reads it.",
    )

    def __init__(self, *args: Any, kind: str = AccessRequest.Kind.NEW, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sizes = list(ModelSize.objects.smallest_first())
        offered = [(right.value, right.label) for right in Right.served()]
        for size in self.sizes:
            rights = forms.MultipleChoiceField(
                label=f"Rights on {size}", choices=offered, required=False, widget=forms.CheckboxSelectMultiple
            )
            tokens = TokensField(label=f"Tokens of {size}", required=False)
            self.fields |= {f"rights_{size.pk}": rights, f"tokens_{size.pk}": tokens}
        unmark(*(self.fields[name] for name in ("purposes", "purpose", "until_wanted", "use_summary", "grounds")))
        if kind not in (AccessRequest.Kind.AMENDMENT, AccessRequest.Kind.RENEWAL):
            del self.fields["use_summary"]
        if kind != AccessRequest.Kind.APPEAL:
            del self.fields["grounds"]

    @classmethod
    def initial_of(cls, request: AccessRequest) -> dict[str, Any]:
        """What a request says, for the fields."""
        initial = {field: getattr(request, field) for field in (*LONGEST, "purposes", "until_wanted")}
        for item in request.items.exclude(status=RequestItem.Status.DROPPED):
            initial.setdefault(f"rights_{item.size_id}", []).append(item.right)
            if item.is_metered:
                initial[f"tokens_{item.size_id}"] = item.tokens_wanted
        return initial

    @property
    def rows(self) -> list[tuple[ModelSize, forms.BoundField, forms.BoundField]]:
        """Each size with its two fields."""
        return [(size, self[f"rights_{size.pk}"], self[f"tokens_{size.pk}"]) for size in self.sizes]

    @property
    def texts(self) -> list[forms.BoundField]:
        """The fields about the study."""
        return [field for field in self if not field.name.startswith(("rights_", "tokens_"))]

    def as_arguments(self) -> dict[str, Any]:
        """What was filled in, as the verbs take it."""
        cleaned = self.cleaned_data
        wanted = [
            Wanted(size, right, cleaned[f"tokens_{size.pk}"] or 0 if Right(right).is_metered else 0)
            for size in self.sizes
            for right in cleaned[f"rights_{size.pk}"]
        ]
        return {"wanted": wanted} | {field.name: cleaned[field.name] for field in self.texts}


class RemarkForm(PlainWords, forms.Form):
    text = forms.CharField(label="Message", max_length=LONGEST_REMARK, widget=forms.Textarea(attrs={"rows": 3}))


class FindingForm(PlainWords, forms.Form):
    size = forms.ModelChoiceField(queryset=ModelSize.objects.none())
    title = forms.CharField(max_length=200)
    text = forms.CharField(
        label="What was found", max_length=LONGEST_FINDING, widget=forms.Textarea(attrs={"rows": 10})
    )

    def __init__(self, *args: Any, partner: Partner, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        granted = ModelSize.objects.filter(grants__partner=partner).distinct()
        self.fields["size"].queryset = granted.smallest_first()  # type: ignore[attr-defined]


class CloseForm(PlainWords, forms.Form):
    typed = forms.CharField(label="To be sure")

    def __init__(self, *args: Any, word: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.word = word
        self.fields["typed"].help_text = f"Type “{word}”."

    def clean_typed(self) -> str:
        return typed_as(self.word, self.cleaned_data["typed"])
