#!/bin/sh
# Puts a policy into the filter's configuration: envoy/render.sh POLICY.json [OUTPUT]. What cannot be built leaves the output
# as it was.
#
# CAREWARDEN is the command line to use, TEMPLATE what the policy is put into.
set -eu
here=$(dirname "$0")
policy=$1
output=${2:-$here/filter.yaml}
next=$output.next
trap 'rm -f "$next" "$next.policy"' EXIT
${CAREWARDEN:-cargo run --quiet --} build --output "$next.policy" "$policy"
sed 's/^/            /' "$next.policy" | sed -e '/@POLICY@/r /dev/stdin' -e '/@POLICY@/d' "${TEMPLATE:-$here/filter.yaml.in}" >"$next"
# Moved into place, since that is what Envoy watches for, and so that it never reads half of one.
mv "$next" "$output"
