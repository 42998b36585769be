"""Tokens: what a program shows at the door instead of a login."""

import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import F, Q

# What every secret begins with, so that one that has leaked can be searched for.
MARK = "hcm_"
# The mark and eight characters: enough to recognise a token, of no use to guess it.
PREFIX_LENGTH = len(MARK) + 8
NAME_MOST = 100


class Scope(models.TextChoices):
    READ = "read", "read"
    INGEST = "ingest", "write QC1 rows"
    CERTIFY = "certify", "certify"


class TokenState(models.TextChoices):
    ACTIVE = "ACTIVE", "active"
    EXPIRED = "EXPIRED", "expired"
    REVOKED = "REVOKED", "revoked"


class ApiToken(models.Model):
    """Leave for one program to act for an account, in so many ways and no more.

    Only a sum of the secret is kept, so that whoever reads the database can use no token.
    """

    # An account may go although it had tokens. They open nothing then, and stay as a record of what
    # was given out: deleted with it, a leaked secret could no longer be told from one made up.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="tokens"
    )
    name = models.CharField(max_length=NAME_MOST, help_text="what it is for")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the secret, hex")
    prefix = models.CharField(max_length=PREFIX_LENGTH, help_text="how the secret begins")
    scopes = models.JSONField(help_text="what it may do: read, ingest, certify")
    instruments = models.JSONField(default=list, help_text="names; empty: all")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, help_text="empty: never")
    last_used_at = models.DateTimeField(null=True, help_text="to the minute")
    last_used_from = models.GenericIPAddressField(null=True)
    revoked_at = models.DateTimeField(null=True)
    # A name and not an account: it stays when the account goes.
    revoked_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="api_token_says_what_it_is_for"),
            models.CheckConstraint(condition=~Q(scopes=[]), name="api_token_may_do_something"),
            models.CheckConstraint(
                condition=Q(expires_at=None) | Q(expires_at__gt=F("created_at")),
                name="api_token_expires_after_it_was_made",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at=None, revoked_by="")
                | (Q(revoked_at__isnull=False) & ~Q(revoked_by="")),
                name="api_token_revoked_says_by_whom",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"

    def state(self, at: dt.datetime) -> TokenState:
        if self.revoked_at is not None:
            return TokenState.REVOKED
        if self.expires_at is not None and self.expires_at <= at:
            return TokenState.EXPIRED
        return TokenState.ACTIVE

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes
