"""Raw files become validated tables here."""
