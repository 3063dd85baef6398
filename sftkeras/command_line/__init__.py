"""From the command line to typed settings, and from an error to one line: what every command shares."""
