"""Which version of a package is installed, whichever of its builds that is."""

from importlib.metadata import PackageNotFoundError, version

# Builds of one package that fill the same folder under names of their own.
BUILDS = {"tensorflow": ("tensorflow-cpu", "tensorflow")}


def installed_version(package: str) -> str:
    """The version of a package, or of the build of it that is there.

    Raises:
        PackageNotFoundError: none is installed.
    """
    for build in BUILDS.get(package, (package,)):
        try:
            return version(build)
        except PackageNotFoundError:
            continue
    raise PackageNotFoundError(package)
