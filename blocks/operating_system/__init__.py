"""What the operating system is asked for: files of one owner, and processes told apart."""
