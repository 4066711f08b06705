"""API tokens: `rp_` + 12 characters that name it + `_` + a secret of 43 + 6 that catch a typing error.

The form follows GitHub's (2021): a prefix that scanners find, a checksum that refuses a typo without the database.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.sealed import mark_of, secret_keys
from release_portal.lib.states import Forbidden, Refused
from release_portal.lib.text import one_line

from ..guards import require
from ..models import ApiToken, User
from ..permissions import Permission
from ..rates import count

ALPHABET = string.ascii_letters + string.digits
LONGEST_DAYS = 365
SHAPE = re.compile(r"rp_([A-Za-z0-9]{12})_([A-Za-z0-9]{43})([A-Za-z0-9]{6})")
USE_IS_NOTED_EVERY = timedelta(minutes=1)


@transaction.atomic
def create_token(*, by: User, name: str, days: int = 90, user: User | None = None) -> tuple[ApiToken, str]:
    """Make a token of the person, or of a service account that they look after; returns it with its secret form, which
    is never seen again."""
    user = user or by
    _require_keeper(by, user)
    if not user.is_active:
        raise Refused(f"The service account “{user}” is closed.")
    if not 1 <= days <= LONGEST_DAYS:
        raise Refused(
            f"A token lasts from 1 to {LONGEST_DAYS} days; you gave {days}.",
            field="days",
            limit=LONGEST_DAYS,
            given=days,
        )
    count("token", by=by)
    name, key_id, secret = one_line(name), _random(12), _random(43)
    now = timezone.now()
    token = ApiToken.objects.create(
        user=user,
        name=name,
        key_id=key_id,
        secret_hash=_hash(secret, settings.SECRET_KEY),
        key_mark=mark_of(settings.SECRET_KEY),
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    record("token.created", "An API token was created", token, user, by=by)
    return token, f"rp_{key_id}_{secret}{_checksum(key_id + secret)}"


def read_token(*, secret: str) -> User | None:
    """The person whose token in force this is, or None. Notes its use, at most once a minute. One that was made under
    one of SECRET_KEY_FALLBACKS is hashed again, so that it outlasts that key."""
    shape = SHAPE.fullmatch(secret)
    if shape is None or _checksum(shape[1] + shape[2]) != shape[3]:
        return None
    now = timezone.now()
    token = ApiToken.objects.in_force(at=now).select_related("user").filter(key_id=shape[1]).first()
    if token is None or not _is_secret_of(token, shape[2]):
        return None
    if token.key_mark != mark_of(settings.SECRET_KEY):
        renewed = {"secret_hash": _hash(shape[2], settings.SECRET_KEY), "key_mark": mark_of(settings.SECRET_KEY)}
        ApiToken.objects.filter(pk=token.pk).update(**renewed)
    if token.last_used_at is None or now - token.last_used_at > USE_IS_NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token.user


def token_named(*, secret: str) -> ApiToken | None:
    """The token that the secret form names, in force or not, whether or not the rest of it is right."""
    shape = SHAPE.fullmatch(secret)
    return ApiToken.objects.select_related("user").filter(key_id=shape[1]).first() if shape else None


@transaction.atomic
def revoke_token(*, by: User, token: ApiToken) -> None:
    _require_keeper(by, token.user)
    end_token(by=by, token=token)


@transaction.atomic
def keep_tokens(*, by: User, keep: Collection[int]) -> int:
    """After a new password: keep the tokens with these keys, and revoke the person's others; returns how many."""
    ended = ApiToken.objects.in_force(at=timezone.now()).filter(user=by).exclude(pk__in=keep)
    for token in (others := list(ended)):
        end_token(by=by, token=token)
    by.tokens_in_question_at = None
    by.save(update_fields=["tokens_in_question_at"])
    record("token.looked_through", f"API tokens were looked through; {len(others)} were revoked", by, by=by)
    return len(others)


def end_token(*, by: User | None, token: ApiToken) -> None:
    """A program that shows it acts for nobody from now on. Raises Refused where it was revoked before."""
    if not ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=timezone.now()):
        raise Refused("This token is already revoked.")
    record("token.revoked", "An API token was revoked", token, token.user, by=by)


def _require_keeper(by: User, user: User) -> None:
    """A person keeps their own tokens; those of a service account are kept by who invites members."""
    if user.service_of is not None:
        require(by, Permission.MEMBER_INVITE, user.service_of)
    elif user != by:
        raise Forbidden("Only its owner can make or revoke a token.")


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _is_secret_of(token: ApiToken, secret: str) -> bool:
    return any(hmac.compare_digest(token.secret_hash, _hash(secret, key)) for key in secret_keys())


def _hash(secret: str, secret_key: str) -> str:
    """HMAC-SHA-256: the secret has 256 bits, so a slow hash would add nothing."""
    return hmac.new(secret_key.encode(), secret.encode(), hashlib.sha256).hexdigest()


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = []
    for _ in range(6):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(digits)
