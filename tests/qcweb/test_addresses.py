"""From where a request comes: nobody can say it himself, only the proxies of ours."""

import pytest
from django.test import RequestFactory

from qcweb.addresses import address_of, subscriber_of


def asked(peer, forwarded=None):
    given = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=peer, **given)


@pytest.mark.parametrize(
    ("n_proxies", "peer", "forwarded", "address"),
    [
        (0, "192.0.2.1", None, "192.0.2.1"),
        (0, "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        (1, "192.0.2.1", "198.51.100.7", "198.51.100.7"),
        (1, "192.0.2.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (2, "192.0.2.1", "203.0.113.9,198.51.100.7", "203.0.113.9"),
        (2, "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        (1, "192.0.2.1", None, "192.0.2.1"),
        (1, "192.0.2.1", "", "192.0.2.1"),
        (1, "192.0.2.1", "unknown", "192.0.2.1"),
        (1, "192.0.2.1", "198.51.100.7, <script>", "192.0.2.1"),
        (1, "", "2001:DB8::0:1", "2001:db8::1"),
        (0, "::ffff:192.0.2.1", None, "192.0.2.1"),
        (0, "fe80::1%eth0", None, "fe80::1"),
        (0, "", None, None),
    ],
)
def test_as_many_entries_from_the_right_are_believed_as_there_are_proxies(
    settings, n_proxies, peer, forwarded, address
):
    settings.HCM_PROXIES = n_proxies
    assert address_of(asked(peer, forwarded)) == address


@pytest.mark.parametrize(
    ("address", "subscriber"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        (None, "unknown"),
    ],
)
def test_a_subscriber_of_ipv6_is_counted_once(address, subscriber):
    assert subscriber_of(address) == subscriber
