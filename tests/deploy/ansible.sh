#!/usr/bin/env bash
# The role of deploy/ansible, by ssh into a Debian with systemd: installed, again without a change,
# upgraded under a sender that loses no line, gone back, and a version that does not start, which
# it goes back from by itself.
# Usage: tests/deploy/ansible.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

export PATH=$target/lint/venv/bin:$PATH
if ! command -v ansible-playbook >/dev/null || ! command -v ssh-keygen >/dev/null; then
  skipped ansible 'there is no ansible-playbook (make lint-tools) or no ssh'
  exit
fi
if [[ ! -e $top/deploy/systemd/logcaster.service ]]; then
  skipped ansible 'there is no unit'
  exit
fi
if ! start_machine; then
  skipped ansible "$missing"
  exit
fi

# ssh without a network: sshd speaks on the standard streams of what `nsenter` starts.
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
inside mkdir --parents --mode=700 /root/.ssh /run/sshd
inside tee /root/.ssh/authorized_keys <"$work/key.pub" >/dev/null
proxy="nsenter --target $(init_of_machine) --mount --pid --ipc --uts --net --cgroup"
proxy+=' /usr/sbin/sshd -i'
# One connection for all tasks, which ends with the machine.
options="-o ControlPath=$work/ssh -o ControlMaster=auto -o ControlPersist=60"
options+=" -o UserKnownHostsFile=$work/known"
options+=" -o StrictHostKeyChecking=accept-new -o ProxyCommand=\"$proxy\""
{
  printf 'machine ansible_user=root ansible_python_interpreter=/usr/bin/python3'
  printf ' ansible_ssh_private_key_file=%s' "$work/key"
  printf " ansible_ssh_common_args='%s'\n" "$options"
} >"$work/inventory"
export ANSIBLE_CONFIG=$top/deploy/ansible/ansible.cfg ANSIBLE_LOCAL_TEMP=$work/ansible-local
# Ansible wants UTF-8, whatever the test does.
export LC_ALL=C.UTF-8
export ANSIBLE_NOCOLOR=1 ANSIBLE_HOST_KEY_CHECKING=False

# Runs the playbook. Usage: play NAME VARIABLE=VALUE...
play() {
  local name=$1 variables=()
  shift
  for variable in "$@"; do variables+=(--extra-vars "$variable"); done
  ansible-playbook --inventory "$work/inventory" "${variables[@]}" \
    "$top/deploy/ansible/playbook.yml" >"$work/play-$name.log" 2>&1
}
# How many tasks changed something. Usage: changes NAME
changes() {
  sed --quiet 's/^machine .*changed=\([0-9]*\).*/\1/p' "$work/play-$1.log"
}
running() {
  inside logcaster --version
}
# Makes an archive of another version: a program that gives itself out for it and runs the real
# one, or the one that is named. Usage: make_version VERSION [PROGRAM]
make_version() {
  local tree=$work/versions/logcaster-$1-linux-$architecture
  mkdir --parents "$work/versions"
  cp --recursive "$work/logcaster-$version-linux-$architecture" "$tree"
  mv "$tree/bin/logcaster" "$tree/bin/real"
  # shellcheck disable=SC2016 # the script's shell fills it
  printf '#!/bin/sh\nif [ "$1" = --version ]; then echo logcaster %s; else %s; fi\n' \
    "$1" "${2:-exec /opt/logcaster/releases/$1/bin/real \"\$@\"}" >"$tree/bin/logcaster"
  chmod 755 "$tree/bin/logcaster"
  tar --create --gzip --directory "$work/versions" --file "$tree.tar.gz" "$(basename "$tree")"
  echo "$tree.tar.gz"
}

architecture=$(dpkg --print-architecture 2>/dev/null || uname --machine)
DIST_DIR=$work/dist "$top/scripts/dist" "$static" "$(rustc -vV | sed --quiet 's/^host: //p')" \
  "$architecture" >"$work/dist.log"
archive=$(echo "$work"/dist/*.tar.gz)
version=$("$static" --version | cut --delimiter=' ' --fields=2)
tar --extract --file "$archive" --directory "$work"

settings='{"logcaster_settings": {"LOGCASTER_SIZE": "8M"}}'
holds_that 'installs' play install "logcaster_archive=$archive" "$settings"
same 'the version runs' "$(running)" "logcaster $version"
same 'with its settings' "$(inside stat --format=%s /var/lib/logcaster/segment)" $((8 << 20))
holds_that 'a second time' play again "logcaster_archive=$archive" "$settings"
same 'changes nothing' "$(changes again)" 0

seq --format='line %.0f' 1000 >"$shared/lines"
inside logcaster send "$shared/lines"
higher=$(make_version 9.0.0)
# shellcheck disable=SC2016 # the machine's shell fills it
inside bash -c 'seq --format="more %.0f" 10000 | while read -r line; do
  echo "$line"; sleep 0.001; done | timeout 120 logcaster send --retry' >"$work/send.log" 2>&1 &
sender=$!
started+=("$sender")
holds_that 'upgrades' play upgrade "logcaster_archive=$higher" "$settings"
same 'the higher version runs' "$(running)" 'logcaster 9.0.0'
holds_that 'and nothing is left to change' play upgraded "logcaster_archive=$higher" "$settings"
same 'on the higher one either' "$(changes upgraded)" 0
code=0
wait "$sender" || code=$?
same 'a sender meanwhile ends well' "$code" 0
same 'every line is there' "$(inside logcaster query 'QUERY format=raw limit=100000' |
  sort --unique | wc --lines)" 11000

# To a service that runs.
holds_that 'opens one socket more' play sockets "logcaster_archive=$higher" "$settings" \
  '{"logcaster_sockets": ["http", "irc"]}'
holds_that 'which is served' says_welcome
holds_that 'again with it' play sockets-again "logcaster_archive=$higher" "$settings" \
  '{"logcaster_sockets": ["http", "irc"]}'
same 'nothing changes either' "$(changes sockets-again)" 0

broken=$(make_version 9.1.0 'exit 1')
if play broken "logcaster_archive=$broken" "$settings"; then
  failed 'a version that does not start' 'expected that the play fails'
else
  ok 'a version that does not start fails the play'
fi
same 'and what ran before runs again' "$(running)" 'logcaster 9.0.0'
holds_that 'and serves' inside logcaster ping --ready

holds_that 'goes back' play back "logcaster_version=$version" "$settings"
same 'the lower version runs' "$(running)" "logcaster $version"
holds_that 'and serves again' inside logcaster ping --ready
if play nowhere logcaster_version=8.0.0; then
  failed 'a version that is nowhere' 'expected that the play fails'
else
  holds_that 'a version that is nowhere is refused' \
    grep --quiet '8.0.0 is not on this machine' "$work/play-nowhere.log"
fi
stop_machine
