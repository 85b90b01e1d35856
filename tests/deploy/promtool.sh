#!/bin/sh
# Sees that there is a promtool, which tests the alerts: out of Debian's package of Prometheus, without its server.
# usage: tests/deploy/promtool.sh        where there is none, those tests are skipped, which is said
set -eu
cd "$(dirname "$0")/../.."
there() { command -v promtool >/dev/null || [ -x build/promtool/usr/bin/promtool ]; }
there && exit 0
if command -v apt-get >/dev/null; then
  echo "unpacking promtool, for the tests of the alerts"
  mkdir -p build/promtool
  cd build/promtool
  fetched() { apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb; }
  { fetched || { apt-get update -qq && fetched; }; } >/dev/null 2>&1 || echo "apt-get could not fetch prometheus" >&2
  cd ../..
fi
there && exit 0
echo "no promtool here: the tests of the alerts are skipped; to run them: sudo apt-get install prometheus" >&2
