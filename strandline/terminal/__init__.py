"""What commands print: tables, charts, progress, errors. Nothing is queried here."""
