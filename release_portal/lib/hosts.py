"""Host names of web sites: as the wire has them (IDNA, UTS 46), as they read, and whose they are."""

from contextlib import suppress
from functools import cache
from urllib.parse import urlsplit

import idna
from publicsuffixlist import PublicSuffixList

from .text import number_in


def host_of(website: str) -> str:
    """The host of a web site in ASCII, without www.; empty where it has none."""
    host = (urlsplit(website).hostname or "").rstrip(".")
    with suppress(idna.IDNAError):  # an address of numbers, or a name that IDNA does not know
        host = idna.encode(host, uts46=True).decode() if host else ""
    return host.removeprefix("www.")


def as_read(host: str) -> str:
    """A host with the letters that a reader sees."""
    with suppress(idna.IDNAError):
        return idna.decode(host) if host else ""
    return host


def is_public_suffix(host: str) -> bool:
    """Whether anybody can get a name under it, as under co.uk and github.io; so it is nobody's name."""
    return _suffixes().is_public(host)


def registered(host: str) -> str:
    """The name that the owner of a host registered: northlake.ac.uk of physics.northlake.ac.uk."""
    return host if is_numbers(host) else _suffixes().privatesuffix(host) or host


def is_numbers(host: str) -> bool:
    """Whether it is an address of numbers, which no owner of a name has."""
    return number_in(host.rpartition(".")[2]) is not None or ":" in host


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
