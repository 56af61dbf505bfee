# shellcheck shell=bash
# A relay that forwards numbered lines from a file while our server ends in order and starts again
# in the middle. Sourced by rsyslog.sh and syslog-ng.sh, after support.sh.

lines=100000
# What has arrived when the server is told to end. The relay is sending at that moment: twice as
# many lines and more lie in its file.
lines_before_end=10000
lines_first=90000

# Appends lines to the relay's file. Usage: feed FROM TO
feed() {
  seq --format='number-%06.0f of the numbered lines' "$1" "$2" >>"$work/input.txt"
}

# Waits until all lines are here, or none came for 20 s.
await_lines() {
  local count last=-1 since=$SECONDS
  while count=$(count_lines); [[ -z $count ]] || ((count < lines)); do
    if [[ $count != "$last" ]]; then
      last=$count
      since=$SECONDS
    elif ((SECONDS - since >= 20)); then
      return
    fi
    sleep 0.1
  done
}

# What became of the lines, from all that the server holds: how many are missing, how many came
# again, and the ranges of both.
account() {
  ask "QUERY keyword=number- limit=$((2 * lines)) format=raw" |
    sed --quiet 's/.*number-\([0-9]\{6\}\) of the numbered lines$/\1/p' |
    awk -v lines="$lines" '
      function note(number, what) {
        if (number != last + 1 || what != last_what) { ranges = ranges " " what " " number }
        last = number; last_what = what
      }
      { seen[$0 + 0]++ }
      END {
        for (number = 1; number <= lines; number++) {
          if (!(number in seen)) { missing++; note(number, "missing from") }
          else if (seen[number] > 1) { doubled += seen[number] - 1; note(number, "again from") }
        }
        printf "%d %d%s\n", missing, doubled, substr(ranges, 1, 200)
      }'
}

# Feeds the lines to a relay that runs, with a restart of ours in the middle. None may come twice,
# and at most IN_FLIGHT may be missing. Usage: forward_through_restart NAME IN_FLIGHT
forward_through_restart() {
  local name=$1 in_flight=$2 lost doubled where at_end
  log_port=$(port_of "$logs")
  query_port=$(port_of "$questions")
  feed 1 "$lines_first"
  if ! await 60 holds "$lines_before_end"; then
    failed "$name" "expected $lines_before_end lines before the restart, seen $(count_lines)"
    return
  fi
  stop_server
  # What comes while nobody listens lies in the relay's queue on disk.
  feed $((lines_first + 1)) "$lines"
  start_server --persist --dir "$work/ring" --size 256
  at_end=$(count_lines)
  await_lines
  read -r lost doubled where < <(account)
  if ((lost <= in_flight && doubled == 0)); then
    ok "$name: $lost missing, 0 doubled of $lines lines, $at_end of them before it"
  else
    failed "$name" "expected <= $in_flight missing, 0 doubled of $lines lines with a restart \
after $at_end, seen $lost missing, $doubled doubled: $where"
  fi
}
