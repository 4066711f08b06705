"""Forms of this room."""

from django import forms


class SignupForm(forms.Form):
    name = forms.CharField(label="Full name", max_length=120)

    def signup(self, request: object, user: object) -> None:
        """allauth calls this after saving; the adapter has already kept the name."""
