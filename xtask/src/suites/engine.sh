# Runs the Docker engine of another suite's folder until standard input ends, then removes what it wrote.
#
# usage: sh engine.sh FOLDER GROUP SYSTEM SNAPSHOTTER [PATH]..., with SYSTEM a folder that mmdebstrap made, and
# SNAPSHOTTER `true` if containerd keeps the images. FOLDER is ours to write: the socket is at FOLDER/sock, and
# FOLDER/inside has the number of a process in the engine's namespaces. The engine sees FOLDER and each PATH of this
# machine where we see them.
#
# Namespaces of its own take along all mounts and processes. All that the engine writes elsewhere is in memory.
set -u
folder=$1
exec 3<&0
unshare --mount --pid --fork --kill-child --propagation private sh -c '
    set -eu
    folder=$1 group=$2 system=$3 snapshotter=$4
    shift 4
    mkdir "$folder/data" "$folder/exec" "$folder/containers" "$folder/root"
    printf "{\"features\": {\"containerd-snapshotter\": %s}}\n" "$snapshotter" >"$folder/daemon.json"
    # Of our own namespace this is process 1. The old /proc still tells the number outside.
    read -r inside _ </proc/self/stat

    # The folder itself is not changed: other engines use it at the same time.
    mount -t tmpfs tmpfs "$folder/root"
    mkdir "$folder/root/upper" "$folder/root/work" "$folder/root/new"
    cd "$system"
    mount -t overlay overlay "$folder/root/new" \
        -o "lowerdir=.,upperdir=$folder/root/upper,workdir=$folder/root/work"
    cd "$folder/root/new"
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /dev dev
    mount -t tmpfs tmpfs run
    mount -t tmpfs tmpfs tmp
    for file in hosts resolv.conf; do
        rm -f "etc/$file"
        cat "/etc/$file" >"etc/$file" || :
    done
    for path in "$folder" "$@"; do
        mkdir -p ".$path"
        mount --bind "$path" ".$path"
    done
    mkdir -p var/lib/containers
    mount --bind "$folder/containers" var/lib/containers

    # No chroot: runc changes the root itself, and may do so only where the root is a mount.
    pivot_root . .
    umount -l .
    cd /
    unset TMPDIR
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin exec sh -c '\''
        folder=$1 group=$2 inside=$3
        dockerd --config-file "$folder/daemon.json" --data-root "$folder/data" --exec-root "$folder/exec" \
            --host "unix://$folder/sock" --group "$group" --pidfile "$folder/exec/pid" \
            --iptables=false --ip6tables=false --bridge=none </dev/null >>"$folder/log" 2>&1 3<&- &
        engine=$!
        { read -r _; kill "$engine"; } <&3 &
        watcher=$!
        printf "%s\n" "$inside" >"$folder/inside"
        wait "$engine"
        status=$?
        kill "$watcher" 2>/dev/null
        exit "$status"
    '\'' sh "$folder" "$group" "$inside"
' sh "$@" </dev/null 2>>"$folder/log"
status=$?
if [ "$status" -eq 0 ]; then
    rm -rf --one-file-system "$folder"
else
    # The caller shows the log.
    rm -rf --one-file-system "$folder/data" "$folder/exec" "$folder/containers" "$folder/root"
fi
exit "$status"
