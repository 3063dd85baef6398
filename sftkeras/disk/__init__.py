"""Files and folders: whole or not there, made by one process at a time, kept in the cache."""
