"""The truth about simulated frames, kept beside them: what was put in, and what should come out."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from .frames import truth_of
from .templates import Expectation, Template

TRUTH_FILE = "truth.json"

Key = tuple[str, str, str]


def record_truth(directory: Path, night: date, templates: Iterable[Template]) -> Path:
    """Write the truth of a night; other nights in the same directory keep theirs."""
    path = directory / TRUTH_FILE
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[night.isoformat()] = [_entry(template) for template in templates]
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
    return part.replace(path)


def read_expectations(directory: Path) -> dict[Key, Expectation]:
    """Give what should become of each block, by (instrument, raw_type, tpl_start)."""
    known = json.loads((directory / TRUTH_FILE).read_text(encoding="utf-8"))
    return {
        (entry["instrument"], entry["raw_type"], entry["tpl_start"]): Expectation(
            **entry["expectation"]
        )
        for entries in known.values()
        for entry in entries
        if entry["expectation"] is not None
    }


def _entry(template: Template) -> dict[str, Any]:
    expectation = template.expectation
    return {
        "instrument": template.instrument,
        "raw_type": template.raw_type,
        "tpl_start": template.tpl_start,
        "n_frames": template.n_frames,
        "exptime_s": template.exptime_s,
        "read_mode": template.read_mode,
        "physics": {chip: asdict(physics) for chip, physics in truth_of(template).items()},
        "defects": [asdict(defect) for defect in template.defects],
        "expectation": None if expectation is None else asdict(expectation),
    }
