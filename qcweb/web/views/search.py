"""One search over everything that has a name: what is found alone is opened at once."""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import and_

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils import timezone

from pipelines.models import AssociationBlock, Product, RawFile
from qcweb.private import visible_purpose

# Of each kind; more is a reason to say more.
MOST = 25
_DATE = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Hit:
    """One thing that was found: where it is, what it is called, and what else tells it."""

    address: str
    name: str
    words: str


@dataclass(frozen=True)
class Kind:
    """All hits of one kind; `is_cut` when there are more than are shown."""

    title: str
    hits: list[Hit]

    @property
    def is_cut(self) -> bool:
        return len(self.hits) >= MOST


def search(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:200]
    kinds: list[Kind] = []
    if text:
        alone = _named(text)
        if alone:
            return redirect(alone)
        found = [*_nights(text), *_blocks(text), *_products(text), *_frames(request, text)]
        kinds = [kind for kind in found if kind.hits]
        addresses = {hit.address for kind in kinds for hit in kind.hits}
        if len(addresses) == 1:
            return redirect(addresses.pop())
    return render(request, "search.html", {"text": text, "kinds": kinds})


def _named(text: str) -> str:
    """Return the address of what has exactly this name, if one thing has it."""
    stem = text.removesuffix(".fits").removesuffix(".ab")
    block = AssociationBlock.objects.filter(ab_name=f"{stem}.ab").first()
    if block is not None and not text.endswith(".fits"):
        return reverse("block", args=[block.ab_name])
    frames = RawFile.objects.filter(name__in=[text, stem, f"{stem}.fits"])[:2]
    if len(frames) == 1:
        return reverse("frame", args=[frames[0].pk])
    return ""


def _date(word: str) -> dt.date | None:
    try:
        # Other ways to write a date are more often something else.
        return dt.date.fromisoformat(word) if _DATE.fullmatch(word) else None
    except ValueError:
        return None


def _nights(text: str) -> list[Kind]:
    """Return the nights of a date: one for each instrument that has frames of it."""
    night = _date(text)
    if night is None:
        return []
    frames = (
        RawFile.objects.filter(night=night)
        .values_list("instrument__name")
        .annotate(Count("pk"))
        .order_by("instrument__name")
    )
    hits = [
        Hit(
            reverse("night", args=[name, night.isoformat()]),
            f"{name} {night}",
            f"{n} frame{pluralize(n)}",
        )
        for name, n in frames
    ]
    return [Kind("Nights", hits)]


def _all_words(text: str, any_field: Callable[[str], Q]) -> Q:
    """Return what has each word of a text in any of some fields."""
    return reduce(and_, map(any_field, text.split()), Q())


def _blocks(text: str) -> list[Kind]:
    blocks = AssociationBlock.objects.select_related("instrument").order_by("-night", "mjd_obs")
    are_several = len(text.split()) > 1

    def any_field(word: str) -> Q:
        night = _date(word) if are_several else None
        of_night = Q() if night is None else Q(night=night)
        return (
            Q(ab_name__icontains=word)
            | Q(setup__icontains=word)
            | Q(raw_type__icontains=word)
            | Q(recipe__icontains=word)
            | Q(instrument__name__iexact=word)
            | of_night
        )

    named = _all_words(text, lambda word: Q(ab_name__icontains=word))
    by_name = blocks.filter(named)[:MOST]
    by_setup = blocks.filter(_all_words(text, any_field)).exclude(named)[:MOST]
    return [
        Kind("Blocks by name", [_block(one) for one in by_name]),
        Kind("Blocks by setup, raw type or recipe", [_block(one) for one in by_setup]),
    ]


def _block(block: AssociationBlock) -> Hit:
    words = f"{block.instrument.name} {block.night}, {block.raw_type} {block.setup}"
    return Hit(reverse("block", args=[block.ab_name]), block.ab_name, words)


def _products(text: str) -> list[Kind]:
    products = (
        Product.objects.filter(Q(name__icontains=text) | Q(pro_catg__iexact=text))
        .select_related("attempt__block")
        .order_by("-recorded_at")[:MOST]
    )
    hits = [
        Hit(
            reverse("block", args=[one.attempt.block.ab_name]) + "#products",
            one.name,
            f"{one.pro_catg} of {one.attempt.block.ab_name}",
        )
        for one in products
    ]
    return [Kind("Products", hits)]


def _frames(request: HttpRequest, text: str) -> list[Kind]:
    frames = (
        RawFile.objects.select_related("instrument").defer("keywords", "trace").order_by("-mjd_obs")
    )
    named = _all_words(text, lambda word: Q(name__icontains=word))
    described = _all_words(
        text,
        lambda word: (
            Q(name__icontains=word) | Q(setup__icontains=word) | Q(raw_type__icontains=word)
        ),
    )
    by_name = frames.filter(named)[:MOST]
    by_setup = frames.filter(described).exclude(named)[:MOST]
    purpose = Q(program_id__icontains=text) | Q(ob_id=text) | Q(target__icontains=text)
    by_purpose = frames.filter(visible_purpose(request.user, timezone.now())).filter(purpose)[:MOST]
    return [
        Kind("Frames by name", [_frame(one, one.setup) for one in by_name]),
        Kind("Frames by setup or raw type", [_frame(one, one.setup) for one in by_setup]),
        Kind(
            "Frames by programme, observation block or target",
            [_frame(one, f"{one.program_id}, OB {one.ob_id}, {one.target}") for one in by_purpose],
        ),
    ]


def _frame(frame: RawFile, more: str) -> Hit:
    what = frame.raw_type or frame.pro_catg or "unclassified"
    words = f"{frame.instrument.name} {frame.night}, {what} {more}"
    return Hit(reverse("frame", args=[frame.pk]), frame.name, words)
