"""What `manage.py doctor` looks at, each in a module of its subject."""
