#!/bin/sh
# Installs the decoder, its stanzas and its keys on a node, and brings changed keys there from then on.
#
# usage: install.sh HOST, with the node's root folder. Beside it lies containerd.toml; the keys are in $KEYS.
# RESTART is the command that restarts containerd, once the stanzas are new.
set -eu
host=$1
here=$(dirname "$0")
binary=$host/usr/local/bin/ctd-decoder
config=$host/etc/containerd/config.toml
folder=$host/etc/containerd/ocicrypt/keys

sync_keys() {
    mkdir -p "$folder"
    chmod 0700 "$folder"
    for key in "$KEYS"/*; do
        [ -f "$key" ] || continue
        name=${key##*/}
        cmp -s "$key" "$folder/$name" && continue
        # Under its name, a key is whole, and nobody else's to read.
        (umask 077 && cp "$key" "$folder/..new")
        mv "$folder/..new" "$folder/$name"
    done
    for key in "$folder"/*; do
        [ -e "$KEYS/${key##*/}" ] || rm -f "$key"
    done
}

sync_keys
mkdir -p "${binary%/*}"
if ! cmp -s /sealcrate "$binary"; then
    cp /sealcrate "$binary.new"
    chmod 0755 "$binary.new"
    mv "$binary.new" "$binary"
fi
# containerd writes the names of tables in either kind of quotes, and refuses a table that is there twice.
if ! grep -q "io\.containerd\.ocicrypt\.decoder\.v1\.tar[\"']" "$config" 2>/dev/null; then
    # Without a file, containerd has the defaults of version 1.
    [ -s "$config" ] || echo 'version = 2' > "$config"
    { cat "$config" && echo && cat "$here/containerd.toml"; } > "$config.new"
    mv "$config.new" "$config"
    $RESTART
fi
echo "installed"
[ "${ONCE:-}" ] && exit
while sleep 60; do
    sync_keys
done
