"""The files that calibrations are chosen from, and which of them a rule looks at."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from .candidates import Candidate, in_time
from .needs import IndexKey, JoinValue, join_value
from .settings import DEFAULT_SETTINGS, OcaSettings
from .shelves import Shelf
from .tree import Keywords, PoolName, Value


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


_JoinKey: TypeAlias = tuple[JoinValue | None, ...]
_ShelfKey: TypeAlias = tuple[PoolName, str, str, tuple[str, ...]]


class Pool:
    """The files to choose from: calibrations, raw files, and all input files.

    Conditions decide; the three lists only keep absurd candidates away. They are indexed when first
    asked, by class keyword and then by the keywords that rules join on, and each part is kept in
    order of time: what a block costs does not grow with the archive.

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
        self._shelves: dict[_ShelfKey, dict[_JoinKey, Shelf]] = {}

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

    def shelves(
        self,
        pool: PoolName,
        key: IndexKey | None,
        joins: tuple[str, ...],
        values: tuple[Value | None, ...],
    ) -> list[Shelf]:
        """Return the files of one list that can have what an index key and joins ask for.

        Parameters
        ----------
        pool, key
            As for `candidates`.
        joins, values
            Keywords and the values they must equal; nothing equals None.
        """
        wanted = tuple(join_value(value) for value in values)
        keys: list[_ShelfKey] = [(pool, "", "", joins)]
        if key is not None:
            keys = [(pool, key[0], value, joins) for value in key[1]]
        found = (self._shelf_index(each).get(wanted) for each in keys)
        return [] if None in wanted else [shelf for shelf in found if shelf is not None]

    def _shelf_index(self, key: _ShelfKey) -> dict[_JoinKey, Shelf]:
        found = self._shelves.get(key)
        if found is None:
            found = self._shelves[key] = self._put_on_shelves(key)
        return found

    def _put_on_shelves(self, key: _ShelfKey) -> dict[_JoinKey, Shelf]:
        pool, keyword, value, joins = key
        if not joins:
            one = (keyword, (value,)) if keyword else None
            return {(): Shelf(sorted(self.candidates(pool, one), key=in_time))}
        # Sorted once for all joins of a category.
        whole = self._shelf_index((pool, keyword, value, ()))[()]
        found: dict[_JoinKey, list[Candidate]] = {}
        for candidate in whole.candidates:
            values = tuple(join_value(candidate.keywords.get(name)) for name in joins)
            found.setdefault(values, []).append(candidate)
        return {values: Shelf(members) for values, members in found.items()}

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
