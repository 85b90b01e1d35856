"""What can be set of the services' jobs: each setting once, with range, default and sentence, one module a job.

Pipeline files, the options of commands, their help, the pages in docs/ and the messages to the services come from here.
"""
