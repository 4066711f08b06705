"""The form with which a signatory signs."""

from typing import Any

from django import forms

from release_portal.partners.models import Partner
from release_portal.partners.shortcuts import PlainWords

from .models import AgreementVersion
from .wording import statements


class SignatureForm(PlainWords, forms.Form):
    legal_name = forms.CharField(
        label="Your full legal name",
        max_length=120,
        help_text="Typing it is your signature.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    title = forms.CharField(label="Your office", max_length=120, help_text="Such as “Director of Research”.")
    states_authority = forms.BooleanField(required=False)
    states_intent = forms.BooleanField(required=False)
    text_sha256 = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, partner: Partner, version: AgreementVersion, **kwargs: Any) -> None:
        super().__init__(*args, initial={"text_sha256": version.text_sha256}, **kwargs)
        authority, intent = statements(partner, version)
        self.fields["states_authority"].label = authority
        self.fields["states_intent"].label = intent
