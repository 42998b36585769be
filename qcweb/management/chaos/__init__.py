"""Kills parts of an installation at random moments, and looks whether a night still ends right."""
