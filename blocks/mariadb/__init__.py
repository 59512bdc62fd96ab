"""MariaDB and MySQL as a source: connections, what their catalog says, what their errors mean."""
