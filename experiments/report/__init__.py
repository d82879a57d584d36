"""From records to result files, tables, pictures and the page."""
