"""Links that set a password: only who reads the mail, or just showed that they do, is given one."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.urls import reverse

from .models import User


def path_to_set_password(user: User) -> str:
    """The path of the page that sets the person's password, once and within PASSWORD_RESET_TIMEOUT (three days)."""
    key = default_token_generator.make_token(user)
    return reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": key})
