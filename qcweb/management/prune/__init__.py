"""What `manage.py prune` finds that nobody needs any more."""
