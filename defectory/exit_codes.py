"""What a process, the command line's or a service's, ends with: one code an error class (docs/cli.md)."""

from defectory import errors

OK, INTERNAL, USAGE, INTERRUPTED = 0, 1, 2, 130
EVICTED = 75  # sysexits' EX_TEMPFAIL, as the workers': not finished, worth another try
EXIT_CODES: dict[type[errors.DefectoryError], int] = {
    errors.InvalidInput: 3,
    errors.NotFound: 4,
    errors.AlreadyExists: 5,
    errors.FailedPrecondition: 6,
    errors.Refused: 7,
    errors.Corrupted: 8,
    errors.Exhausted: 9,
    errors.Unavailable: 10,
    errors.Cancelled: 11,
}


def exit_code(error: errors.DefectoryError) -> int:
    """The code of an error."""
    return next((EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), INTERNAL)
