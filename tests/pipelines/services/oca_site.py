"""An instrument with rules of a test's own, and frames that are headers alone."""

from pathlib import Path
from typing import Any

from django.utils import timezone

from pipelines.models import AssociationBlock, Flavour, Instrument, RuleSet, Runner
from pipelines.services.ingest import IngestReport, find_frames, ingest
from tests.frames import write_header

MJD = 61100.0

CLASSES = "if DPR.TYPE is string then { RAW.TYPE=DPR.TYPE; DO.CATG=DPR.TYPE; }\n"


class Site:
    """One instrument that reads its frames from one directory."""

    def __init__(self, directory: Path, rules: str, levels: str = "", **oca: object) -> None:
        self.directory = directory
        self.instrument = Instrument.objects.create(
            name="CAM", title="Camera", header_names=["CAM"], runner=Runner.values[0],
            pipeline="cam", digest="", loaded_at=timezone.now(), oca=oca,
        )  # fmt: skip
        self.put_rules(rules, levels)
        self._n = 0

    def put_rules(self, rules: str, levels: str = "", **fields: Any) -> RuleSet:
        """Put rules in force, instead of those that are for the same nights."""
        standing = self.instrument.rule_sets.filter(
            superseded_at=None,
            valid_from=fields.get("valid_from"),
            flavour=fields.get("flavour", Flavour.RAW2MASTER),
        )
        standing.update(superseded_at=timezone.now())
        version = self.instrument.rule_sets.count() + 1
        return RuleSet.objects.create(
            instrument=self.instrument, version=version, text=CLASSES + rules, levels=levels,
            digest=str(version), recorded_at=timezone.now(), **fields,
        )  # fmt: skip

    def put(self, kind: str, mjd: float, **keywords: str | float) -> Path:
        """Write a frame; keywords with underscores for dots."""
        self._n += 1
        cards: dict[str, str | float] = {"INSTRUME": "CAM", "MJD-OBS": mjd, "DPR.TYPE": kind}
        cards |= {name.replace("_", "."): value for name, value in keywords.items()}
        return write_header(self.directory / f"{kind}.{self._n:04}.fits", cards)

    def put_master(self, category: str, mjd: float, **keywords: str | float) -> Path:
        """Write a calibration on disk."""
        self._n += 1
        cards: dict[str, str | float] = {"INSTRUME": "CAM", "MJD-OBS": mjd, "PRO.CATG": category}
        cards |= {name.replace("_", "."): value for name, value in keywords.items()}
        return write_header(self.directory / f"{category}.{self._n:04}.fits", cards)

    def take(self, at=None) -> IngestReport:
        return ingest(find_frames(self.directory), at or timezone.now(), self.directory)


def blocks(**fields: object) -> list[AssociationBlock]:
    return list(AssociationBlock.objects.filter(**fields).order_by("mjd_obs", "pk"))


def names(block: AssociationBlock) -> list[str]:
    """Return the names of a block's frames in order, without what says that they are FITS."""
    links = block.block_frames.order_by("raw_file__mjd_obs", "raw_file")
    return [name.removesuffix(".fits") for name in links.values_list("raw_file__name", flat=True)]


def given(block: AssociationBlock) -> list[tuple[str, str, int]]:
    """Return what a block was given: label, name of the producer or file, and which of several."""
    links = block.calibrations.select_related("producer", "file").order_by("pk")
    return [
        (link.label, (link.producer or link.file).__str__().rpartition(".")[0], link.nth)
        for link in links
    ]
