"""A reader in front of the pages."""

import pytest

from tests.qcweb.web.html import parse


@pytest.fixture
def see(client, vera):
    """Open a page as a reader and return it as a tree."""
    client.force_login(vera)

    def opened(address, status=200):
        answer = client.get(address)
        assert answer.status_code == status, (address, answer.status_code)
        return parse(answer)

    return opened
