"""Evidence, figures, workbook, site."""
