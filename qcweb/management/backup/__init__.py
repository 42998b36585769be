"""A whole installation in one file, and back: database, products, previews, folders, secret."""
