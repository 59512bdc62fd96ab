"""What every kind of source database has to provide, and what its errors mean."""
