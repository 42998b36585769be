"""The files that calibrations are chosen from, and which of them a rule looks at."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .compiled import IndexKey
from .frames import Frame, FrameId
from .settings import DEFAULT_SETTINGS, OcaSettings
from .tree import Keywords, PoolName


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that could be associated, on disk or virtual.

    Parameters
    ----------
    id
        The caller's name for it.
    keywords
        Its header, class keywords included.
    mjd
        When it was taken; None for static tables, which rank behind everything with a date.
    order
        The place of a virtual product among the products of its block.
    producer
        The block that makes a virtual product; None for a file on disk. Among files of one time
        those of one block stay together, so that a block's three flats are taken as a set.
    """

    id: FrameId
    keywords: Keywords
    mjd: float | None = None
    order: int = 0
    producer: FrameId | None = None

    @classmethod
    def of(cls, frame: Frame) -> "Candidate":
        """Make a candidate of a classified file."""
        return cls(frame.id, frame.keywords, frame.mjd)


def is_in_pool(keywords: Keywords, pool: PoolName, settings: OcaSettings) -> bool:
    """Tell whether rules that look in a pool see a real file; generously, conditions decide.

    Calibrations are products and static tables, and files that only say they are calibrations;
    raw files are all that are no products.
    """
    if pool is PoolName.INPUT:
        return True
    is_product = "PRO.CATG" in keywords
    if pool is PoolName.RAW:
        return not is_product
    return is_product or (settings.dpr_only_calibs and keywords.get("DPR.CATG") == "CALIB")


class Pool:
    """The files to choose from: calibrations, raw files, and all input files.

    Conditions decide; the three lists only keep absurd candidates away. They are indexed by class
    keyword when first asked, so that a pool of a whole archive costs little per select.

    Parameters
    ----------
    calib, raw, input
        Candidates of calibFiles, rawFiles and inputFiles.
    """

    def __init__(
        self,
        calib: Iterable[Candidate] = (),
        raw: Iterable[Candidate] = (),
        input: Iterable[Candidate] = (),
    ) -> None:
        self._lists: dict[PoolName, Sequence[Candidate]] = {
            PoolName.CALIB: tuple(calib),
            PoolName.RAW: tuple(raw),
            PoolName.INPUT: tuple(input),
        }
        self._indexes: dict[tuple[PoolName, str], dict[str, list[Candidate]]] = {}

    @classmethod
    def sort(
        cls,
        files: Iterable[Candidate],
        virtual: Iterable[Candidate] = (),
        settings: OcaSettings = DEFAULT_SETTINGS,
    ) -> "Pool":
        """Put real files and virtual products where the rules look for them.

        Examples
        --------
        >>> bias = Candidate("raw", {"DPR.CATG": "CALIB"}, 57080.4)
        >>> master = Candidate("disk", {"PRO.CATG": "MASTER_BIAS"}, 57080.5)
        >>> pool = Pool.sort([bias, master])
        >>> [[c.id for c in pool.candidates(name)] for name in PoolName]
        [['raw', 'disk'], ['raw', 'disk'], ['raw']]
        """
        files = tuple(files)
        calib, raw = (
            [file for file in files if is_in_pool(file.keywords, name, settings)]
            for name in (PoolName.CALIB, PoolName.RAW)
        )
        return cls((*calib, *virtual), raw, files)

    def candidates(self, pool: PoolName, key: IndexKey | None = None) -> Iterator[Candidate]:
        """Yield the files of one list that can have one of the values of an indexed keyword."""
        if key is None:
            yield from self._lists[pool]
            return
        keyword, values = key
        index = self._index(pool, keyword)
        for value in values:
            yield from index.get(value, ())

    def _index(self, pool: PoolName, keyword: str) -> dict[str, list[Candidate]]:
        index = self._indexes.get((pool, keyword))
        if index is None:
            index = {}
            for candidate in self._lists[pool]:
                value = candidate.keywords.get(keyword)
                if isinstance(value, str):
                    index.setdefault(value.rstrip(" "), []).append(candidate)
            self._indexes[pool, keyword] = index
        return index
