"""What runs leave on disk. Pure Python: no Textual, no Tinker, no network."""
