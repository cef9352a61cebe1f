#!/bin/sh
# The namespace and graphmill's search attributes (graphmill/search_attributes.py), where they are
# missing: nothing else in this deployment makes them. Doing it again changes nothing.
set -eu

: "${TEMPORAL_ADDRESS:?}" "${TEMPORAL_NAMESPACE:?}"
attempts=${ATTEMPTS:-60}
pause=${PAUSE:-2}

# A server that answers may still not know of what was made a moment ago: each step is tried again.
try() {
    left=$attempts
    until "$@" >/tmp/said 2>&1; do
        left=$((left - 1))
        if [ "$left" -le 0 ]; then
            echo "given up after $attempts tries: $*" >&2
            cat /tmp/said >&2
            exit 1
        fi
        sleep "$pause"
    done
}

has_namespace() {
    temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE"
}

make_namespace() {
    has_namespace || temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" \
        --retention "${RETENTION:-7d}" --description "graphmill"
}

make_attributes() {
    listed=$(temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE") || return 1
    for name in GraphmillTenant GraphmillCollection GraphmillState; do
        if ! printf '%s\n' "$listed" | grep -qw "$name"; then
            temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
                --name "$name" --type Keyword || return 1
        fi
    done
}

try temporal operator cluster health
try make_namespace
try make_attributes
echo "namespace $TEMPORAL_NAMESPACE has what graphmill needs"
