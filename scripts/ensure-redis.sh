#!/bin/sh
# Makes redis-server available where this user may install it. Without it everything still runs;
# what needs Redis is skipped and says so.
command -v redis-server >/dev/null 2>&1 && exit 0
[ -n "$REDIS_URL" ] && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "> Installing redis-server" >&2
  # RUNLEVEL=1 keeps the package from starting a service of its own: tests start theirs.
  apt-get update -qq >/dev/null 2>&1
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends redis-server >/dev/null 2>&1
  command -v redis-server >/dev/null 2>&1 && exit 0
fi
echo "! redis-server is missing: what needs it will be skipped. To have it: sudo apt-get install redis-server (or brew install redis)" >&2
exit 0
