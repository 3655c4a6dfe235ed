"""Check the files of a run before they are released."""
