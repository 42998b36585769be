"""What trending does, as verbs: load definitions, extract and import values, score."""
