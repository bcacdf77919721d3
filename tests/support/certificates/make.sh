#!/bin/sh
# Makes the certificates of the tests anew: nobody trusts this root but them, so its keys are no secret.
set -eu
cd "$(dirname "$0")"
request() { # name, subject
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
}
issue() { # name, extensions, dates
  printf '%s\n' "$2" > "$1.ext"
  # shellcheck disable=SC2086
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -out "$1.pem" -extfile "$1.ext" $3 2>/dev/null
  rm "$1.csr" "$1.ext"
}
years="-days 36500"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes $years -keyout ca.key -out ca.pem \
  -subj "/CN=framewire test root" 2>/dev/null
request server /CN=localhost
issue server "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1
extendedKeyUsage=serverAuth" "$years"
request other /CN=other.example
issue other "subjectAltName=DNS:other.example,DNS:*.wild.example
extendedKeyUsage=serverAuth" "$years"
request expired /CN=localhost
issue expired "subjectAltName=DNS:localhost" "-days 0"
request alice /CN=alice
issue alice "extendedKeyUsage=clientAuth" "$years"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes $years -keyout stranger.key -out stranger.pem \
  -subj "/CN=localhost" -addext "subjectAltName=DNS:localhost" 2>/dev/null
rm -f ca.key ca.srl
