#!/bin/sh
# Has nginx read its certificate again when that was replaced, also by rename, as ACME clients do: no connection is dropped.
set -eu

# how often it is looked, in seconds
pause=10

state() { cat "$GATEWAY_CERTIFICATE" "$GATEWAY_KEY" 2>/dev/null | cksum; }

{
  known=$(state)
  while sleep "$pause"; do
    now=$(state)
    [ "$now" != "$known" ] || continue
    # half of the pair may be new: nginx goes on with the old one until both fit
    if nginx -t -q -e stderr -p /tmp -c nginx.conf; then
      echo "the certificate was replaced: reading it" >&2
      kill -HUP 1
      known=$now
    fi
  done
} &
