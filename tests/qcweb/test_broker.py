"""The embedded broker: a message is whole or not there; an unreadable one ends no worker."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection

from qcweb.broker import Channel

N = 300
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def broker(tmp_path):
    options = {
        "data_folder_in": str(tmp_path / "queue"),
        "data_folder_out": str(tmp_path / "queue"),
        "control_folder": str(tmp_path / "control"),
    }
    (tmp_path / "queue").mkdir()
    (tmp_path / "control").mkdir()
    return lambda: Connection("filesystem://localhost", transport_options=options)


def test_filesystem_means_our_transport(broker):
    with broker() as connection:
        assert isinstance(connection.channel(), Channel)


SENDER = """
import sys
from kombu import Connection
from qcweb import broker

broker.install()
folder, n = sys.argv[1], int(sys.argv[2])
options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder + "-control"}
with Connection("filesystem://localhost", transport_options=options) as connection:
    channel = connection.channel()
    for number in range(n):
        channel._put("blocks", {"id": f"{sys.argv[3]}-{number}"})
"""


def test_no_message_is_read_before_it_is_whole(tmp_path):
    folder = tmp_path / "queue"
    folder.mkdir()
    senders = [
        subprocess.Popen([sys.executable, "-c", SENDER, str(folder), str(N), str(who)], cwd=ROOT)
        for who in range(3)
    ]
    got: set[str] = set()
    deadline = time.monotonic() + 60
    options = {"data_folder_in": str(folder), "data_folder_out": str(folder),
               "control_folder": str(tmp_path / "control")}  # fmt: skip
    with Connection("filesystem://localhost", transport_options=options) as connection:
        channel = connection.channel()
        assert isinstance(channel, Channel)
        while len(got) < 3 * N and time.monotonic() < deadline:
            with contextlib.suppress(Empty):
                got.add(channel._get("blocks")["id"])
    assert [sender.wait(10) for sender in senders] == [0, 0, 0]
    assert len(got) == 3 * N


def test_messages_are_read_in_the_order_they_were_sent(broker):
    with broker() as connection:
        channel = connection.channel()
        assert isinstance(channel, Channel)
        for n in range(50):
            channel._put("blocks", {"n": n})
        assert [channel._get("blocks")["n"] for _ in range(50)] == list(range(50))


def test_an_unreadable_message_is_left_out(broker, tmp_path, caplog):
    with broker() as connection:
        channel = connection.channel()
        assert isinstance(channel, Channel)
        (tmp_path / "queue" / "1_a.blocks.msg").write_text("")
        with pytest.raises(Empty):
            channel._get("blocks")
    assert "unreadable" in caplog.text
    assert list((tmp_path / "queue").iterdir()) == []
