"""Members of the two former groups, and who had their permission, get the same right for all instruments."""

from django.db import migrations
from django.db.models import Q
from django.utils import timezone

BY = "migration"
CERTIFY = Q(codename="add_certification", content_type__app_label="certification")
ROLES = {"SCIENTIST": "QC scientists", "STAFF": "Observatory staff"}


def give(apps, editor):
    User, Right = apps.get_model("auth", "User"), apps.get_model("people", "Right")
    Permission = apps.get_model("auth", "Permission")
    permissions = Permission.objects.filter(CERTIFY)
    members = {
        "SCIENTIST": User.objects.filter(
            Q(groups__name=ROLES["SCIENTIST"])
            | Q(groups__permissions__in=permissions)
            | Q(user_permissions__in=permissions)
        ),
        "STAFF": User.objects.filter(groups__name=ROLES["STAFF"]),
    }
    at = timezone.now()
    Right.objects.bulk_create(
        Right(user=user, role=role, instrument=None, given_by=BY, given_at=at)
        for role, users in members.items()
        # Once back and forth they have them already.
        for user in users.exclude(
            pk__in=Right.objects.filter(role=role, instrument=None, taken_at=None).values("user")
        )
        .distinct()
        .order_by("pk")
    )
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES.values()).delete()


def give_back(apps, editor):
    """Make the groups again; a right for some instruments only had no place in them."""
    Group, Right = apps.get_model("auth", "Group"), apps.get_model("people", "Right")
    for role, name in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        for right in Right.objects.filter(role=role, instrument=None, taken_at=None):
            right.user.groups.add(group)
    permissions = apps.get_model("auth", "Permission").objects.filter(CERTIFY)
    Group.objects.get(name=ROLES["SCIENTIST"]).permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0003_audit_append_only"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("certification", "0001_initial"),
    ]
    operations = [migrations.RunPython(give, give_back)]
