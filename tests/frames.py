"""Small templates of the generic imager for tests; each test takes what it needs."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.simulator.frames import simulate_frames
from pipelines.simulator.templates import Defect, Template

MORNING = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)
BIAS = Template("CCDCAM", "BIAS", MORNING, 3, "SLOW")
FAST_BIAS = dataclasses.replace(BIAS, read_mode="FAST", start=MORNING + timedelta(minutes=5))
DARK = dataclasses.replace(
    BIAS, kind="DARK", exptime_s=600.0, start=MORNING + timedelta(minutes=20)
)
FLAT = dataclasses.replace(
    BIAS, kind="FLAT", exptime_s=8.0, filter_name="V", start=MORNING + timedelta(hours=2)
)


def taken(directory: Path, *templates: Template) -> Path:
    """Write the frames of templates into a directory and return it."""
    directory.mkdir(exist_ok=True)
    for template in templates:
        simulate_frames(template, directory)
    return directory


def with_defect(template: Template, **defect: Any) -> Template:
    return dataclasses.replace(template, defects=(Defect(**defect),))


def later(template: Template, days: float) -> Template:
    return dataclasses.replace(template, start=template.start + timedelta(days=days))


def write_header(path: Path, keywords: Mapping[str, str | float]) -> Path:
    """Write a file that is a header alone, of keywords by their OCA names."""
    lines = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"]
    for name, value in keywords.items():
        text = f"'{value}'" if isinstance(value, str) else repr(value)
        is_plain = len(name) <= 8 and "." not in name
        key = f"{name:8}" if is_plain else f"HIERARCH ESO {name.replace('.', ' ')} "
        lines.append(f"{key}= {text}")
    header = "".join(f"{line:80}" for line in [*lines, "END"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{header:{-(-len(header) // 2880) * 2880}}")
    return path
