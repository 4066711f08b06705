"""Whose domain an address is of."""

from allauth.account.models import EmailAddress

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


def proven_domain(partner: Partner) -> str:
    """The domain of the organisation's web site, if its applicant reads mail at it; empty where that is not shown."""
    site = partner.domain.lower()
    if not site or site in OF_ANYBODY:
        return ""
    addresses = EmailAddress.objects.filter(user=partner.applied_by, email__iendswith=f"@{site}", verified=True)
    return site if addresses.exists() else ""
