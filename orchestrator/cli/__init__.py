"""The command line: `defectory`."""
