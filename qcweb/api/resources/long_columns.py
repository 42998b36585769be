"""Columns that are long and that no list tells: a page of a thousand rows is read without them."""

INSTRUMENT = ("header_names", "recipes", "oca")
BLOCK = ("parameters", "chosen_parameters", "virtual_products", "group_key")
ATTEMPT = ("argv", "inputs", "log", "process")


def of(prefix: str, names: tuple[str, ...]) -> list[str]:
    """Return the columns of what stands at the end of a path."""
    return [f"{prefix}__{name}" for name in names]
