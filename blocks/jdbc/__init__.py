"""Any other database with a JDBC driver as a source, by settings of its block."""
