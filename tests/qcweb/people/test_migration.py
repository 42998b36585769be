"""Who was in a group before rights were by instrument has the same right afterwards."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

BEFORE, AFTER = [("people", "0003_audit_append_only")], [("people", "0004_roles_become_rights")]


@pytest.mark.django_db(transaction=True)
def test_members_of_the_groups_get_the_right_for_all_instruments_and_back():
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    old = executor.loader.project_state(BEFORE).apps
    User, Group = old.get_model("auth", "User"), old.get_model("auth", "Group")
    try:
        names = {"quinn": "QC scientists", "vera": "Observatory staff", "stan": "Others"}
        for name, group in names.items():
            there = Group.objects.get_or_create(name=group)[0]
            User.objects.create(username=name).groups.add(there)
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(AFTER)
    from qcweb.people.models import Right

    given = Right.objects.order_by("user__username")
    assert list(given.values_list("user__username", "role", "given_by")) == [
        ("quinn", "SCIENTIST", "migration"), ("vera", "STAFF", "migration"),
    ]  # fmt: skip
    assert not given.filter(instrument__isnull=False).exists()
    assert list(Group.objects.values_list("name", flat=True)) == ["Others"]
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    try:
        groups = User.objects.get(username="quinn").groups.values_list("name", flat=True)
        assert list(groups) == ["QC scientists"]
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
        Group.objects.all().delete()
