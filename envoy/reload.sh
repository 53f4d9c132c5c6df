#!/bin/sh
# Changes the policy of a running Envoy without a restart: envoy/reload.sh DIRECTORY, which holds policy.json and tests.json.
# The policy is checked and its tests are run; only then is it moved into place, and Envoy asked what it made of it. Ends
# with 0 when the policy is in force, with 1 when it is not or that cannot be told. Where Envoy refuses it the one before stays in force, and the file is put back.
#
# CAREWARDEN is the command line to use, OUTPUT the file that Envoy watches, STATS where its metrics are.
set -eu
here=$(dirname "$0")
directory=${1%/policy.json}
output=${OUTPUT:-$here/filter.yaml}
stats=${STATS:-http://127.0.0.1:9902/stats/prometheus}
carewarden=${CAREWARDEN:-cargo run --quiet --}

# count success|rejected: how many updates Envoy has taken or refused; nothing where it cannot be asked.
count() {
    curl --silent --fail --max-time 5 "$stats" |
        sed -n "s/^envoy_extension_config_discovery_http_filter_carewarden_update_$1{[^}]*} \([0-9]*\)\$/\1/p"
}

$carewarden check "$directory"
$carewarden test "$directory"
taken=$(count success) || taken=
refused=$(count rejected) || refused=
before=$output.before
trap 'rm -f "$before"' EXIT
[ ! -e "$output" ] || cp "$output" "$before"
sh "$here/render.sh" "$directory/policy.json" "$output"
if cmp -s "$output" "$before"; then
    echo "In force already: nothing has changed."
    exit 0
fi
if [ -z "$taken" ]; then
    echo "In place. Whether Envoy took it cannot be told: nothing answers at $stats (STATS says where)." >&2
    exit 1
fi
tries=0
while [ $tries -lt 150 ]; do
    if [ "$(count success)" -gt "$taken" ]; then
        echo "In force."
        exit 0
    fi
    if [ "$(count rejected)" -gt "$refused" ]; then
        # A start anew would find the refused one.
        [ ! -e "$before" ] || mv "$before" "$output"
        echo "Envoy refused it and keeps the one before; its log says why." >&2
        exit 1
    fi
    sleep 0.2
    tries=$((tries + 1))
done
echo "Envoy did not take it up within 30 s: does it watch $output?" >&2
exit 1
