"""The embedded broker: a message is whole or not there; an unreadable one ends no worker."""

import threading
from queue import Empty

import pytest
from kombu import Connection, Exchange, Queue

from qcweb.broker import Channel

N = 300


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


def test_no_message_is_read_before_it_is_whole(broker):
    # A name of its own: kombu remembers for the whole process what has been bound before.
    queue = Queue("whole", Exchange("whole"), routing_key="whole")
    sent = [threading.Thread(target=_send, args=(broker, queue, n)) for n in range(3)]
    with broker() as connection:
        channel = connection.channel()
        queue(channel).declare()
        for thread in sent:
            thread.start()
        got: set[str] = set()
        while len(got) < 3 * N:
            try:
                payload = channel._get("whole")
            except Empty:
                continue
            got.add(payload["properties"]["delivery_tag"])
        for thread in sent:
            thread.join()
    assert len(got) == 3 * N


def _send(broker, queue, _number):
    with broker() as connection:
        producer = connection.Producer()
        for n in range(N):
            producer.publish(
                {"n": n}, exchange=queue.exchange, routing_key="whole", declare=[queue]
            )


def test_messages_are_read_in_the_order_they_were_sent(broker):
    with broker() as connection:
        channel = connection.channel()
        for n in range(50):
            channel._put("blocks", {"n": n})
        assert [channel._get("blocks")["n"] for _ in range(50)] == list(range(50))


def test_an_unreadable_message_is_left_out(broker, tmp_path, caplog):
    with broker() as connection:
        channel = connection.channel()
        (tmp_path / "queue" / "1_a.blocks.msg").write_text("")
        with pytest.raises(Empty):
            channel._get("blocks")
    assert "unreadable" in caplog.text
    assert list((tmp_path / "queue").iterdir()) == []
