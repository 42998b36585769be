"""Which blocks need which: their order, their depth in the cascade, and whether one reaches another.

Nothing here recurses: a series of darks, each made with the one before, is as long as the archive.
"""

from collections.abc import Mapping, Set

Producers = Mapping[int, Set[int]]
"""The blocks each block uses the products of."""


def reaches(start: int, target: int, producers: Producers) -> bool:
    """Return whether a block uses another one, directly or through others.

    >>> reaches(3, 1, {3: {2}, 2: {1}}), reaches(1, 3, {3: {2}, 2: {1}})
    (True, False)
    """
    seen, ahead = {start}, [start]
    while ahead:
        one = ahead.pop()
        if one == target:
            return True
        new = producers.get(one, set()) - seen
        seen |= new
        ahead += new
    return False


def in_order(producers: Producers) -> list[int]:
    """Return blocks after all they use, without those of circles and what uses these.

    >>> in_order({3: {2}, 2: {1}, 1: set(), 8: {9}, 9: {8}})
    [1, 2, 3]
    """
    lacks = {block: set(used & producers.keys()) for block, used in producers.items()}
    users: dict[int, list[int]] = {}
    for block, used in lacks.items():
        for producer in used:
            users.setdefault(producer, []).append(block)
    order = [block for block, used in lacks.items() if not used]
    for done in order:
        for user in users.get(done, ()):
            lacks[user].discard(done)
            if not lacks[user]:
                order.append(user)
    return order


def depths_of(producers: Producers, standing: Mapping[int, int]) -> dict[int, int]:
    """Return how deep blocks stand in the cascade: one more than the deepest of what each uses.

    Parameters
    ----------
    standing
        The depth of blocks that are not looked at.

    >>> depths_of({3: {2, 7}, 2: set()}, {7: 4})
    {7: 4, 2: 0, 3: 5}
    """
    found = dict(standing)
    for block in in_order(producers):
        found[block] = max((found[one] + 1 for one in producers[block]), default=0)
    return found
