#!/bin/sh
# Sees that there are GIMP and Krita, through which edits make a round trip in tests: Debian's packages where root may.
# usage: tests/e2e/editors.sh        ends with 1 where one is missing and CI is set: there no test of it is skipped
set -eu
there() {
  command -v gimp >/dev/null && command -v krita >/dev/null && command -v xvfb-run >/dev/null
}
there && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing GIMP and Krita, for the tests of edits by hand"
  { apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends \
      gimp krita xvfb xauth; } >/dev/null || echo "apt-get could not install gimp and krita" >&2
fi
there && exit 0
echo "no GIMP or no Krita here: their tests are skipped; to run them: sudo apt-get install gimp krita xvfb" >&2
test -z "${CI:-}"
