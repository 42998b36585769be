"""From where a request comes, as far as that can be believed."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

# One subscriber of IPv6 has as many addresses as he wants, all with the same first half.
_SUBSCRIBER_BITS = 64


def address_of(request: HttpRequest) -> str | None:
    """Return who has asked the first of our proxies; None where that is no address.

    Anybody may write anything into `X-Forwarded-For`. Each proxy adds whom it was asked by at the
    right, so that as many entries from there are true as there are proxies of ours.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    entries = request.headers.get("X-Forwarded-For", "").split(",")
    n_proxies = settings.HCM_PROXIES
    # With fewer entries it has not come through all of them: then the peer is all that is known.
    told = entries[-n_proxies].strip() if 0 < n_proxies <= len(entries) else ""
    return _checked(told) or _checked(peer)


def subscriber_of(address: str | None) -> str:
    """Return what the requests of one who asks are counted under."""
    if address is None:
        return "unknown"
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, _SUBSCRIBER_BITS), strict=False))


def _checked(text: str) -> str | None:
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])  # fe80::1%eth0
    except ValueError:
        return None
    # An IPv4 address that came in by IPv6 is that IPv4 address.
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
