#!/bin/sh
# Makes the gateway a certificate for localhost, signed by itself, unless it was given one.
set -eu

if [ ! -e "$GATEWAY_CERTIFICATE" ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -subj /CN=localhost \
    -addext basicConstraints=critical,CA:FALSE \
    -addext 'subjectAltName=DNS:localhost,DNS:gateway,IP:127.0.0.1' -out "$GATEWAY_CERTIFICATE" -keyout "$GATEWAY_KEY"
fi
