"""People: what they may do, what they did, what they asked for, and the programs that act for them."""

from .audit import AuditEntry
from .refresh import Refresh
from .rights import Right, Role
from .tokens import MARK, NAME_MOST, PREFIX_LENGTH, ApiToken, Scope, TokenState

__all__ = [
    "MARK",
    "NAME_MOST",
    "PREFIX_LENGTH",
    "ApiToken",
    "AuditEntry",
    "Refresh",
    "Right",
    "Role",
    "Scope",
    "TokenState",
]
