"""What pages are made of: HTML by construction, style, scripts, tables, charts."""
