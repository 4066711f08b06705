"""Forms of the register: families, sizes, errata, and who may have what."""

from typing import Any

from django import forms

from release_portal.access.forms import DayField, TokensField, typed_as, unmark
from release_portal.partners.shortcuts import PlainWords
from release_portal.releases.actions.artefacts import LONGEST_LICENCE, LONGEST_LICENCE_TEXT, LONGEST_VERSION
from release_portal.releases.actions.families import (
    LONGEST,
    LONGEST_DESCRIPTION,
    LONGEST_NAME_OF_SIZE,
    LONGEST_REASON_OF_ERRATUM,
)
from release_portal.releases.actions.openings import LONGEST_REASON_OF_OPENING
from release_portal.releases.models import Audience, Component, Family, Licence, ModelSize
from release_portal.releases.store import LONGEST_PATH


class FamilyForm(PlainWords, forms.Form):
    """What the page of a family says."""

    name = forms.CharField(max_length=LONGEST["name"], help_text="As people write it, such as “GPT-2”.")
    summary = forms.CharField(max_length=LONGEST["summary"], help_text="One or two sentences for the list of families.")
    description = forms.CharField(
        required=False, max_length=LONGEST_DESCRIPTION, widget=forms.Textarea(attrs={"rows": 8})
    )
    licence = forms.CharField(
        label="Licence of the weights", required=False, max_length=LONGEST["licence"], help_text="Such as “MIT”."
    )


class NewFamilyForm(FamilyForm):
    slug = forms.CharField(
        label="Name in addresses and in the API",
        max_length=LONGEST["slug"],
        help_text="Small letters, digits and hyphens, such as “gpt2”. It stays.",
    )
    field_order = ("name", "slug")


class SizeForm(PlainWords, forms.Form):
    """What may be edited of a size; its name and parameters are corrected by an erratum."""

    context_tokens = TokensField(
        label="Longest text", help_text="In tokens, prompt included.", what="This is a whole number of tokens"
    )
    hub_id = forms.CharField(
        label="Name on the Hugging Face Hub",
        required=False,
        max_length=LONGEST["hub_id"],
        help_text="Such as “openai-community/gpt2”; empty where it is not there.",
    )


class NewSizeForm(SizeForm):
    name = forms.CharField(
        max_length=LONGEST_NAME_OF_SIZE, help_text="Such as “124M”: in addresses, in the API, as the folder of weights."
    )
    parameters = TokensField(help_text="The number, such as 124,000,000.", what="This is a whole number")
    field_order = ("name", "parameters")


class ErratumForm(PlainWords, forms.Form):
    """What was stated of a size and was wrong. What is left empty was right."""

    name = forms.CharField(
        label="Right name", required=False, max_length=LONGEST_NAME_OF_SIZE, help_text="Empty: the name was right."
    )
    parameters = TokensField(
        label="Right number of parameters",
        required=False,
        help_text="Empty: it was right.",
        what="This is a whole number",
    )
    on = DayField(label="Announced on", help_text="Until that day the other was stated. In UTC.")
    reason = forms.CharField(
        label="What was wrong", max_length=LONGEST_REASON_OF_ERRATUM, help_text="Everybody reads it."
    )


class ArtefactForm(PlainWords, forms.Form):
    """A folder whose files are a version of a component."""

    component = forms.ChoiceField(label="What it is", choices=())
    version = forms.CharField(max_length=LONGEST_VERSION, help_text="Such as “1”, “2019-08-20” or “nucleus”.")
    folder = forms.CharField(
        max_length=LONGEST_PATH,
        help_text="Below ARTEFACTS_ROOT on the machine of the site, such as “gpt2/774M/outputs”. Its files are hashed.",
    )
    licence = forms.ModelChoiceField(queryset=Licence.objects.all(), required=False, empty_label="None yet")

    def __init__(self, *args: Any, of: Family | ModelSize, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        parts = Component.of_families() if isinstance(of, Family) else Component.of_sizes()
        copies = [(part.value, part.label) for part in parts if not part.words.is_hosted]
        self.fields["component"].choices = [("", "Choose one"), *copies]  # type: ignore[attr-defined]

    def clean_component(self) -> Component:
        return Component(self.cleaned_data["component"])


class LicenceForm(PlainWords, forms.Form):
    name = forms.CharField(max_length=LONGEST_LICENCE, help_text="Such as “Modified MIT”.")
    version = forms.CharField(max_length=LONGEST_VERSION, help_text="Such as “2020-01-03”.")
    text = forms.CharField(max_length=LONGEST_LICENCE_TEXT, widget=forms.Textarea(attrs={"rows": 12}))


class OpeningForm(PlainWords, forms.Form):
    """Who may have a component from now on; a copy for everybody takes the name typed on purpose."""

    audience = forms.ChoiceField(label="Who may have it", choices=Audience, widget=forms.RadioSelect)
    reason = forms.CharField(
        label="Reason", max_length=LONGEST_REASON_OF_OPENING, help_text="Everybody reads it, beside the component."
    )
    typed = forms.CharField(
        label="To be sure",
        required=False,
        help_text="Where everybody may have it: type the name of the family or size. Nobody can call a copy back.",
    )

    def __init__(self, *args: Any, component: Component, of: Family | ModelSize, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.word = of.name
        if component.words.is_hosted:
            del self.fields["typed"]
        unmark(*self.fields.values())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "typed" in self.fields and cleaned.get("audience") == Audience.OPEN:
            try:
                typed_as(self.word, cleaned.get("typed", ""))
            except forms.ValidationError as error:
                self.add_error("typed", error)
        return cleaned
