"""What the person at hand did last, so that one key takes it back."""

import time
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

# Longer ago, and it is no slip that somebody wants to take back at once: its page does.
LASTS_S = 600


@dataclass(frozen=True)
class Undoable:
    """An act, where it is taken back, and what has to be said there."""

    words: str
    address: str
    seen: str = ""


def note_decision(request: HttpRequest, ab_name: str, number: int, words: str) -> None:
    _note(request, words, reverse("block-undo", args=[ab_name]), str(number))


def note_bulk(request: HttpRequest, bulk: str, n: int) -> None:
    words = f"{n} block{'s' if n != 1 else ''} decided at once"
    _note(request, words, reverse("worklist-undo", args=[bulk]), "")


def _note(request: HttpRequest, words: str, address: str, seen: str) -> None:
    request.session["undo"] = {
        "words": words, "address": address, "seen": seen, "at": time.time()
    }  # fmt: skip


def undoable(request: HttpRequest) -> Undoable | None:
    """Return what was done last, for a while."""
    noted = request.session.get("undo") if hasattr(request, "session") else None
    if not noted or time.time() - noted["at"] > LASTS_S:
        return None
    return Undoable(noted["words"], noted["address"], noted["seen"])


def forget(request: HttpRequest) -> None:
    request.session.pop("undo", None)
