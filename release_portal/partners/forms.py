"""Forms of this room. What they check is only the shape of the input; the verbs know the rules."""

from typing import Any

from django import forms

from release_portal.lib.reasons import LONGEST_REASON
from release_portal.lib.text import one_line

from .actions.service_accounts import SERVICE_ROLES
from .models import ApiToken, Invitation, Partner, Role, User
from .shortcuts import PlainWords


class SignupForm(forms.Form):
    name = forms.CharField(
        label="Full name", max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True})
    )

    def clean_name(self) -> str:
        if not (name := one_line(self.cleaned_data["name"])):
            raise forms.ValidationError("Full name is missing.")
        return name

    def signup(self, request: object, user: object) -> None:
        """allauth calls this after saving; the adapter has already kept the name."""


class ApplicationForm(PlainWords, forms.ModelForm[Partner]):
    website = forms.URLField(
        label="Web site",
        max_length=300,
        assume_scheme="https",
        help_text="The organisation's own, such as https://northlake.example",
    )
    will_sign = forms.BooleanField(
        label="I am authorised to sign agreements for this organisation",
        required=False,
        help_text="Leave it empty if somebody else signs: you can invite them once you have applied.",
    )

    class Meta:
        model = Partner
        fields = [
            "legal_name",
            "website",
            "country",
            "contact_name",
            "contact_email",
            "purpose",
            "intended_use",
        ]
        help_texts = {
            "legal_name": "As it stands in agreements, such as “University of Northlake”.",
            "contact_name": "Whom the lab can write to about this application.",
            "purpose": "What you want to find out, and who gains from it.",
            "intended_use": "Such as: “Two researchers use 355M and 774M to measure how well people tell texts apart.”",
        }
        widgets = {"purpose": forms.Textarea(attrs={"rows": 5}), "intended_use": forms.Textarea(attrs={"rows": 5})}


class CorrectionForm(ApplicationForm):
    """The application again, without what only its applicant says of themselves."""

    will_sign = None  # type: ignore[assignment]


class ReasonForm(PlainWords, forms.Form):
    """A reason in words, and nothing else; `readers` says who reads it."""

    reason = forms.CharField(max_length=LONGEST_REASON, widget=forms.Textarea(attrs={"rows": 4}))

    def __init__(
        self, *args: Any, label: str = "Reason", readers: str = "The applicant reads it.", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["reason"]
        field.label, field.help_text = label, readers
        field.error_messages["required"] = f"Say why. {readers}"


class MailForm(PlainWords, forms.Form):
    mail = forms.ChoiceField(
        label="Which mails you get",
        choices=User.Mail,
        widget=forms.RadioSelect,
        help_text="At once: each thing as it happens. Once a day: one mail at 07:00 UTC with all of it. Only "
        "decisions: what was decided about you and yours, at once, and no news. What is urgent always comes at once.",
    )


class ServiceAccountForm(PlainWords, forms.Form):
    name = forms.CharField(
        label="Name", max_length=120, help_text="What the program is, such as “nightly study”. Members see it."
    )
    roles = forms.ModelMultipleChoiceField(
        queryset=Role.objects.filter(code__in=SERVICE_ROLES), widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, auto_id="id_service_%s", **kwargs)  # beside the form that invites
        self.fields["roles"].label_from_instance = lambda role: f"{role.title}: {role.explanation}"  # type: ignore[attr-defined]


class InvitationForm(PlainWords, forms.ModelForm[Invitation]):
    roles = forms.ModelMultipleChoiceField(
        queryset=Role.objects.filter(at_lab=False),
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Invitation
        fields = ["email", "roles"]
        help_texts = {"email": "The invitation can be accepted only with this address."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["roles"].label_from_instance = lambda role: f"{role.title}: {role.explanation}"  # type: ignore[attr-defined]


class TokenForm(PlainWords, forms.ModelForm[ApiToken]):
    days = forms.IntegerField(label="Days it lasts", initial=90, help_text="At most 365.")

    class Meta:
        model = ApiToken
        fields = ["name"]
        help_texts = {"name": "Such as “notebook on my laptop”."}
