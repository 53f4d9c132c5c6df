#!/bin/sh
# Makes the images of docker-compose.local.yml without a registry: each is a binary of this machine, the libraries that it is
# linked to, and files. Takes the Envoy binary and that of the FHIR server.
set -eu
cd "$(dirname "$0")/../.."
envoy=$1
fhir=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# image NAME BINARY [COMMAND-LINE CHANGES...]: what is in $root/files comes along.
image() {
    name=$1
    binary=$2
    shift 2
    mkdir -p "$root/files/bin" "$root/files/tmp"
    chmod 1777 "$root/files/tmp"
    cp "$binary" "$root/files/bin/$name"
    ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$root/files$(dirname "$library")"
        cp -L "$library" "$root/files$library"
    done
    tar --directory "$root/files" --owner 0 --group 0 --create . |
        docker import --change "ENTRYPOINT [\"/bin/$name\"]" --change 'USER 65534:65534' "$@" - "carewarden.local/$name" >/dev/null
    rm -rf "$root/files"
    echo "carewarden.local/$name"
}

image envoy "$envoy"
image fhir "$fhir"
mkdir -p "$root/files/oidc"
cp tests/oidc/clinic.mjs "$root/files/oidc"
cp -R target/oidc/node_modules "$root/files/oidc"
image idp "$(command -v node)"
mkdir -p "$root/files/prometheus"
chmod 1777 "$root/files/prometheus"
image prometheus "$(command -v prometheus)"
