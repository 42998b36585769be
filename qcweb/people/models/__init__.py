"""People, and the programs that act for them."""

from .tokens import MARK, NAME_MOST, PREFIX_LENGTH, ApiToken, Scope, TokenState

__all__ = ["MARK", "NAME_MOST", "PREFIX_LENGTH", "ApiToken", "Scope", "TokenState"]
