"""Files to blocks of rows, whatever their format, encoding or compression."""
