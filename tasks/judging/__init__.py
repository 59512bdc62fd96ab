"""What judging a batch needs beside its rows: other tables, a model of it, rows against rows."""
