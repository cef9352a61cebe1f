#!/bin/sh
# The key with which Prometheus asks the API, made once and kept in a volume of its own: it stands in
# no file of the checkout. To have a new one: revoke it (`graphmill keys list`), remove the file, and
# start this service again.
set -eu

file=${1:-/var/lib/graphmill/keys/prometheus}
if [ -s "$file" ]; then
    echo "the key is there"
    exit 0
fi
umask 027 # Prometheus reads it as a member of the group
graphmill keys create prometheus --scope operator --json >"$file.answer"
python -c 'import json, sys; print(json.load(open(sys.argv[1]))["key"], end="")' "$file.answer" >"$file.new"
rm "$file.answer"
mv "$file.new" "$file"
echo "the key is made"
