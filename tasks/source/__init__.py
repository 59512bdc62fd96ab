"""Reading a source: its SQL, how each of its types is carried to Spark, JDBC, and schema drift."""
