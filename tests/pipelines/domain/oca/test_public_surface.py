"""What the package offers is what it says it offers."""

import types

from pipelines.domain import oca


def test_all_names_what_can_be_imported():
    public = {
        name
        for name, value in vars(oca).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert sorted(public) == sorted(oca.__all__)
    assert len(oca.__all__) == len(set(oca.__all__))
