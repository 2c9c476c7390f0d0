"""The command line's commands on campaigns: options, what they print, the files that they start with."""
