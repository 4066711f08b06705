"""Whose domain an address is of. Host names are compared as the wire has them: ASCII, in lower case."""

from urllib.parse import urlsplit

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from release_portal.lib.hosts import is_numbers, is_public_suffix
from release_portal.lib.states import Refused

from .models import Partner

PROVIDERS = """
163.com aol.com bk.ru duck.com fastmail.com free.fr gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com
hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.fr icloud.com inbox.ru laposte.net libero.it list.ru live.com
mac.com mail.com mail.ru mailbox.org me.com msn.com naver.com orange.fr outlook.com outlook.de outlook.fr
outlook.in pm.me posteo.de proton.me protonmail.com qq.com rediffmail.com rocketmail.com sina.com t-online.de
tuta.com tutanota.com uol.com.br wanadoo.fr web.de yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.de yahoo.fr
yandex.com yandex.ru ymail.com zoho.com
"""
OF_ANYBODY = frozenset(PROVIDERS.split())
"""Domains at which anybody gets an address: to read mail there shows nothing about an organisation."""


def checked_website(website: str) -> str:
    """The address of a web site for a verb; raises Refused for one that a browser opens elsewhere than it reads."""
    website = website.strip()
    try:
        URLValidator(schemes=["http", "https"])(website)
    except ValidationError:
        sentence = "Give the address of the web site, such as https://northlake.example."
        raise Refused(sentence, field="website", given=website) from None
    if "\\" in website or "@" in urlsplit(website).netloc:
        sentence = "The address of a web site has no “@” before its path, and no “\\”: give it without them."
        raise Refused(sentence, field="website", given=website)
    return website


def mail_domain(email: str) -> str:
    """The host of an address, as Django's mail writes it (IDNA 2003: “ß” is “ss”)."""
    host = email.rpartition("@")[2]
    try:
        return host.encode("idna").decode().lower()
    except UnicodeError:
        return host.lower()


def is_of_anybody(host: str) -> bool:
    """Whether it is nobody's own: a public suffix (co.uk, github.io), a mail provider, an address of numbers."""
    return host in OF_ANYBODY or is_numbers(host) or is_public_suffix(host)


def is_same_owner(one: str, other: str) -> bool:
    """Whether one of two hosts is the other or lies under it, where not anybody gets a name under it."""
    shorter, longer = sorted((one, other), key=len)
    return f".{longer}".endswith(f".{shorter}") and not is_of_anybody(shorter)


def proven_domain(partner: Partner) -> str:
    """The domain of the organisation's web site, if its applicant reads mail at it; empty where that is not shown."""
    site = partner.domain
    if not site or is_of_anybody(site):
        return ""
    addresses = EmailAddress.objects.filter(user=partner.applied_by, verified=True)
    return site if any(mail_domain(address.email) == site for address in addresses) else ""
