"""The command line: a thin layer over the pipeline and the services' contracts."""
