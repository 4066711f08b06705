"""Where a request comes from. Headers that tell of it are believed of the proxies of TRUSTED_PROXIES alone."""

from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

IPV6_PREFIX = 64
"""Bits of an IPv6 address that one customer of a network has to themselves."""

current_network: ContextVar[str] = ContextVar("current_network", default="")
"""The network of the request that is served just now; empty outside of requests, as in the site's own tasks."""

Address = IPv4Address | IPv6Address


def address_of(request: HttpRequest) -> str:
    """The network address of the client, once `AddressMiddleware` has seen the request; empty where there is none."""
    return str(request.META.get("REMOTE_ADDR", ""))


def is_proxy(address: str) -> bool:
    read = _read(address)
    return read is not None and any(read in network for network in settings.TRUSTED_PROXIES)


def client_behind(peer: str, forwarded_for: str) -> str:
    """The last address of X-Forwarded-For that no proxy of ours has: what stands before it, the client can have
    written. Without a proxy, or with an address that is none, the peer itself."""
    client = peer
    for named in reversed(forwarded_for.split(",")):
        if not is_proxy(client) or (read := _read(named)) is None:
            break
        client = str(read)
    return client


def network_of(address: str) -> str:
    """What limits are counted by: an IPv4 address, or the first half of an IPv6 address."""
    read = _read(address)
    if isinstance(read, IPv6Address):
        return str(IPv6Network((read, IPV6_PREFIX), strict=False))
    return address


def _read(address: str) -> Address | None:
    try:
        read = ip_address(address.strip())
    except ValueError:
        return None
    return read.ipv4_mapped or read if isinstance(read, IPv6Address) else read
