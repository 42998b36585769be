"""The audit log: one line for everything a person has written, added and never edited."""

from typing import Any, NoReturn

from django.db import models
from django.db.models import Q


class AuditError(Exception):
    """The audit log is added to, never edited."""

    def __init__(self) -> None:
        super().__init__("The audit log is history: lines are added, never edited or deleted.")


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def update(self, **_kwargs: Any) -> NoReturn:
        raise AuditError

    def delete(self) -> NoReturn:
        raise AuditError


class AuditEntry(models.Model):
    """Who did what to what, when, from where, and how that stood before and after.

    Names and not keys: a line says the same when the account, the block or the rule is gone.
    """

    at = models.DateTimeField()
    person = models.CharField(max_length=150, help_text="name of the account, or the command")
    verb = models.CharField(max_length=64)
    kind = models.CharField(max_length=32, help_text="block, night, rule, account, …")
    subject = models.CharField(max_length=255, help_text="its name")
    address = models.CharField(max_length=255, blank=True, help_text="address of its page")
    instrument = models.CharField(max_length=32, blank=True, help_text="empty: of none, or of all")
    words = models.TextField(blank=True, help_text="the reason or comment that was typed")
    asked = models.JSONField(default=dict, help_text="what was sent, without secrets")
    before = models.JSONField(null=True, help_text="how the subject stood")
    after = models.JSONField(null=True, help_text="how it stands then")
    source = models.GenericIPAddressField(null=True, help_text="from where; empty: not known")
    token = models.CharField(max_length=128, blank=True, help_text="how the token begins, its name")

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["person", "-id"], name="audit_of_person"),
            models.Index(fields=["verb", "-id"], name="audit_of_verb"),
            models.Index(fields=["instrument", "-id"], name="audit_of_instrument"),
            models.Index(fields=["at"], name="audit_at"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(person=""), name="audit_says_who"),
            models.CheckConstraint(condition=~Q(verb=""), name="audit_says_what"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.person}: {self.verb} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AuditError
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditError
