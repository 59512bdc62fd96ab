"""Starting Spark's JVM and opening sessions on it.

Java, jars, the class archive, logging, Spark Connect.
"""
