# Sourced by scripts that run programs in the background. $dir is theirs: it gets NAME.pid and NAME.log of each program.

# Starts a program and waits until a URL answers: start NAME URL COMMAND…
start() {
  local name="$1" url="$2"
  shift 2
  curl -s -o /dev/null "$url" && return
  echo "starting $name"
  setsid "$@" > "$dir/$name.log" 2>&1 < /dev/null &
  echo $! > "$dir/$name.pid"
  for _ in $(seq 300); do
    curl -s -o /dev/null "$url" && return
    kill -0 "$(cat "$dir/$name.pid")" 2>/dev/null || break
    sleep 0.2
  done
  echo "$name did not start:" >&2
  tail -20 "$dir/$name.log" >&2
  exit 1
}

# Stops what was started, and removes $dir.
down() {
  for file in "$dir"/*.pid; do
    [ -e "$file" ] || continue
    # Each program leads a group of its own, with what it has started.
    kill -- "-$(cat "$file")" 2>/dev/null || true
  done
  rm -rf "$dir"
}
