#!/bin/sh
# Sees that there is a Chromium, which opens the report's page in tests: Debian's package where root may install it.
# usage: tests/e2e/chromium.sh        ends with 1 where there is none and CI is set: there no browser test is skipped
set -eu
there() {
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null
}
there && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing Chromium, for the tests of the report's page"
  { apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends chromium; } \
    >/dev/null || echo "apt-get could not install chromium" >&2
fi
there && exit 0
echo "no Chromium here: the tests of the report's page are skipped; to run them: sudo apt-get install chromium" >&2
test -z "${CI:-}"
