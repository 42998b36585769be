"""The files of a night with the templates they belong to, and the events these make.

A template is one run of an observing sequence: the frames of one instrument that share TPL.START.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .frames import Frame, FrameId, number_of
from .settings import OcaSettings
from .tree import LAST_FILE_PREFIX, Keywords, Value

TEMPLATE_KEY = "TPL.START"
TEMPLATE_SIGNAL = "SIG.TEMPLATE"
FRAME_SIGNAL = "SIG.FRAME"

TemplateId: TypeAlias = tuple[Value | None, Value]
"""Instrument and start: two instruments may start a template at the same second."""


@dataclass(frozen=True, slots=True)
class Template:
    """The frames of one template.

    Attributes
    ----------
    last
        The frame with the highest exposure number, of equals the latest.
    awaited
        How many announced exposures have not come, while no later template has begun.
    """

    last: Frame
    awaited: int


class Night:
    """All files at hand, each once, in order of time.

    Parameters
    ----------
    frames
        The files, in any order.
    settings
        Whether virtual products are among them.
    last_file_keywords
        The ``LF.`` keywords that rules ask for.
    """

    def __init__(
        self, frames: Sequence[Frame], settings: OcaSettings, last_file_keywords: Sequence[str] = ()
    ) -> None:
        wanted = (f for f in frames if settings.organise_virtual or not f.is_virtual)
        self.frames = sorted({f.id: f for f in wanted}.values(), key=lambda f: f.sort_key)
        self._last_file_keywords = tuple(last_file_keywords)
        self._templates = _find_templates(self.frames)
        self._seen: dict[tuple[bool, FrameId], Keywords] = {}

    def template_of(self, frame: Frame) -> Template | None:
        """Return the template of a file, None if it has none."""
        identity = template_id(frame)
        return None if identity is None else self._templates[identity]

    def seen_at_event(self, frame: Frame, *, is_of_template: bool) -> Keywords:
        """Return a header with the pseudo-keywords of an event.

        Parameters
        ----------
        frame
            The file.
        is_of_template
            Whether the event is that its template is complete, or that the file has arrived.
        """
        # Every rule about events looks at every file; its header is made once.
        key = (is_of_template, frame.id)
        if key not in self._seen:
            self._seen[key] = self._with_signals(frame, is_of_template)
        return self._seen[key]

    def _with_signals(self, frame: Frame, is_of_template: bool) -> Keywords:
        template = self.template_of(frame) if is_of_template else None
        last = frame if template is None else template.last
        seen: dict[str, Value] = {**frame.keywords, FRAME_SIGNAL: 1}
        if is_of_template:
            seen[TEMPLATE_SIGNAL] = 1
        for name in self._last_file_keywords:
            value = last.keywords.get(name.removeprefix(LAST_FILE_PREFIX))
            if value is not None:
                seen[name] = value
        return seen


def template_id(frame: Frame) -> TemplateId | None:
    """Return what the frames of a template share, None for a file of no template."""
    start = frame.keywords.get(TEMPLATE_KEY)
    return None if start is None else (frame.keywords.get("INSTRUME"), start)


def _find_templates(frames: Sequence[Frame]) -> dict[TemplateId, Template]:
    members: dict[TemplateId, list[Frame]] = {}
    newest: dict[Value | None, str] = {}
    for frame in frames:
        identity = template_id(frame)
        if identity is not None:
            members.setdefault(identity, []).append(frame)
            instrument, start = identity
            newest[instrument] = max(newest.get(instrument, ""), str(start))
    return {
        (instrument, start): _template(found, is_newest=str(start) == newest[instrument])
        for (instrument, start), found in members.items()
    }


def _template(frames: Sequence[Frame], *, is_newest: bool) -> Template:
    last = max(frames, key=lambda f: (number_of(f.keywords, "TPL.EXPNO") or 0.0, f.sort_key))
    return Template(last, _awaited(frames) if is_newest else 0)


def _awaited(frames: Sequence[Frame]) -> int:
    announced = max(number_of(frame.keywords, "TPL.NEXP") or 0.0 for frame in frames)
    return max(0, math.floor(announced) - len(frames))
