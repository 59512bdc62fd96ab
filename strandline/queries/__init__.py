"""What commands ask the lakehouse, and the values they ask for as they are typed."""
