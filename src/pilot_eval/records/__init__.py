"""Children's records: readers, writers and validation of the children-in-need census."""
