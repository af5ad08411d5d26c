# Runs a private Docker engine until standard input ends, then removes what it wrote.
#
# usage: sh private_engine.sh FOLDER GROUP DOCKERD, with FOLDER/log, FOLDER/data and
# FOLDER/exec ours to write and the socket at FOLDER/sock.
#
# That the end of the input stops it, and no signal, has two reasons: through sudo the caller may
# not signal us, and a caller that is killed takes the engine with it.
set -u
folder=$1 group=$2 dockerd=$3

# A mount namespace of its own takes along whatever the engine leaves mounted. The system's
# containerd is hidden in it: the engine would use that one if it could see it.
exec 3<&0
unshare --mount --propagation private sh -c '
    folder=$1 group=$2 dockerd=$3
    if [ -d /run/containerd ]; then
        mount -t tmpfs tmpfs /run/containerd || exit
    fi
    # No bridge and no firewall rules: the containers have no network, the machine stays as it is.
    # The storage driver is the engine'\''s choice: overlay2 where the folder allows it, else vfs.
    "$dockerd" --data-root "$folder/data" --exec-root "$folder/exec" \
        --host "unix://$folder/sock" --group "$group" --pidfile "$folder/exec/pid" \
        --iptables=false --bridge=none </dev/null >>"$folder/log" 2>&1 3<&- &
    engine=$!
    { read -r _; kill "$engine"; } <&3 &
    watcher=$!
    wait "$engine"
    status=$?
    kill "$watcher" 2>/dev/null
    exit "$status"
' sh "$folder" "$group" "$dockerd" </dev/null
status=$?
if [ "$status" -eq 0 ]; then
    rm -rf --one-file-system "$folder"
else
    # The caller shows the log.
    rm -rf --one-file-system "$folder/data" "$folder/exec"
fi
exit "$status"
