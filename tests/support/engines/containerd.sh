# Runs a private containerd until standard input ends, then removes what it wrote.
#
# usage: sh containerd.sh FOLDER, with FOLDER/config.toml and FOLDER/log ours to write; it keeps its data in
# FOLDER/root and FOLDER/state.
#
# The end of the input stops it, and no signal: through sudo the caller may not signal us, and a
# caller that is killed takes it along.
set -u
folder=$1

exec 3<&0
# A mount namespace of its own takes along whatever is left mounted.
unshare --mount --propagation private sh -c '
    containerd --config "$1/config.toml" </dev/null >>"$1/log" 2>&1 3<&- &
    daemon=$!
    { read -r _; kill "$daemon"; } <&3 &
    watcher=$!
    wait "$daemon"
    status=$?
    kill "$watcher" 2>/dev/null
    exit "$status"
' sh "$folder" </dev/null
status=$?
rm -rf --one-file-system "$folder/root" "$folder/state"
exit "$status"
