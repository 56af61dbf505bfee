#!/usr/bin/env bash
# What `make dist` makes: the same bytes twice, checksums that fit, an SBOM by its schema; the
# archive runs where it is unpacked; the package is installed into a Debian with systemd, serves,
# is upgraded without a lost line, removed and purged.
# Usage: tests/deploy/dist.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

host=$(rustc -vV | sed --quiet 's/^host: //p')
architecture=$(dpkg --print-architecture 2>/dev/null || uname --machine)
# Two packings, the second at another time, in another zone, with other rights for new files.
DIST_DIR=$work/dist "$top/scripts/dist" "$static" "$host" "$architecture" >"$work/first.log"
sleep 1.1
(umask 077 && cd / && TZ=Asia/Tokyo DIST_DIR=$work/again \
  "$top/scripts/dist" "$static" "$host" "$architecture") >"$work/second.log"
holds_that 'two packings are the same to the byte' cmp "$work/dist/SHA256SUMS" \
  "$work/again/SHA256SUMS"
holds_that 'the checksums fit' env --chdir="$work/dist" sha256sum --check --strict SHA256SUMS
archive=$(echo "$work"/dist/*.tar.gz)
package=$(echo "$work"/dist/*.deb)
bom=$(echo "$work"/dist/*.cdx.json)

# What the SBOM says, against what cargo says and against its schema.
sbom() {
  local python=$target/lint/venv/bin/python3
  python3 -c 'import json, sys
bom = json.load(open(sys.argv[1]))
print(*sorted({one["name"] + " " + one["version"] for one in bom["components"]}), sep="\n")
' "$bom" | LC_ALL=C sort >"$work/in-sbom"
  (cd "$top" && cargo tree --edges normal --target "$host" --prefix none --no-dedupe \
    --format '{p}' | sed 's/^\([^ ]*\) v\([^ ]*\).*/\1 \2/' |
    grep --invert-match '^logcaster ' | LC_ALL=C sort --unique) >"$work/in-binary"
  same "the SBOM names all $(wc --lines <"$work/in-binary") packages of the binary" \
    "$(LC_ALL=C comm -23 "$work/in-binary" "$work/in-sbom")" ''
  if ! "$python" -c 'import cyclonedx.validation.json' 2>/dev/null; then
    skipped 'the SBOM by its schema' 'the linters are not here: make lint-tools'
    return
  fi
  holds_that 'the SBOM is CycloneDX by its schema' "$python" -c 'import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
found = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read())
sys.exit(str(found) if found else 0)' "$bom"
}
if [[ -n ${DIST_WITHOUT_SBOM:-} ]]; then
  skipped SBOM 'cargo-cyclonedx cannot be compiled here'
else
  sbom
fi

tar --extract --file "$archive" --directory "$work"
unpacked_at=$work/$(basename "$archive" .tar.gz)
same 'the archive runs where it is unpacked' "$("$unpacked_at/bin/logcaster" --version)" \
  "$("$static" --version)"
if command -v man >/dev/null; then
  same 'the manual reads without a warning' \
    "$(man --warnings --local-file "$unpacked_at/share/man/man1/logcaster.1" 2>&1 >/dev/null)" ''
else
  skipped 'the manual without a warning' 'there is no man'
fi
# shellcheck disable=SC2016 # the other shell fills it
holds_that 'the completion for bash loads' bash -c 'source "$1" && complete -p logcaster' bash \
  "$unpacked_at/share/bash-completion/completions/logcaster"
if provide lintian lintian; then
  # Unpacked, its modules are found only where they are named; it must run to count.
  modules=$tools/lintian/usr/share/perl5
  modules+=$(printf ':%s' "$tools"/lintian/usr/lib/*/perl5/*)
  lint=(env PERL5LIB="$modules" lintian --allow-root --fail-on error)
  holds_that 'lintian runs here' "${lint[@]}" --version
  holds_that 'lintian finds no error in the package' "${lint[@]}" "$package"
  dpkg-deb --raw-extract "$package" "$work/odd"
  sed --in-place '/^Maintainer:/d' "$work/odd/DEBIAN/control"
  dpkg-deb --root-owner-group --build "$work/odd" "$work/odd.deb" >"$work/odd.log" 2>&1
  if "${lint[@]}" "$work/odd.deb" >>"$work/odd.log" 2>&1; then
    failed 'lintian finds a missing maintainer' 'expected an error, seen none'
  else
    ok 'lintian finds a missing maintainer'
  fi
else
  skipped lintian "$missing"
fi

if [[ ! -e $top/deploy/systemd/logcaster.service ]]; then
  skipped 'the package as a service' 'there is no unit'
  exit
fi
if ! start_machine; then
  skipped 'the package as a service' "$missing"
  exit
fi
cp "$package" "$shared/logcaster.deb"
holds_that 'the package installs' inside dpkg --install "$shared/logcaster.deb"
is_ready() {
  inside logcaster ping --ready
}
if ! await 20 is_ready >"$work/ping.log"; then
  failed 'the service starts' "$(inside journalctl --unit logcaster --no-pager | tail --lines=3)"
  exit 1
fi
ok 'the service starts'
same 'as a user of its own' "$(inside ps -C logcaster -o user=)" logcaster
same 'and with the machine from now on' "$(inside systemctl is-enabled logcaster.service)" enabled
seq --format='line %.0f' 1000 >"$shared/lines"
holds_that 'takes lines in' inside logcaster send "$shared/lines"
has_lines() {
  [[ $(inside logcaster query COUNT) == "COUNT: $1" ]]
}
holds_that 'stores them' await 10 has_lines 1000

# The same files as a higher version.
dpkg-deb --raw-extract "$package" "$work/higher"
sed --in-place 's/^Version: .*/&+1/' "$work/higher/DEBIAN/control"
dpkg-deb --root-owner-group --build "$work/higher" "$shared/higher.deb" >"$work/build.log"
before=$(inside systemctl show --property MainPID --value logcaster.service)
# shellcheck disable=SC2016 # the machine's shell fills it
inside bash -c 'seq --format="more %.0f" 2000 | while read -r line; do
  echo "$line"; sleep 0.001; done | timeout 60 logcaster send --retry' >"$work/send.log" 2>&1 &
sender=$!
started+=("$sender")
holds_that 'more lines come' await 10 inside bash -c '! logcaster query COUNT | grep --quiet " 1000$"'
# A socket that was enabled when its unit named another target only.
links=/etc/systemd/system
inside ln --symbolic /usr/lib/systemd/system/logcaster-irc.socket "$links/sockets.target.wants/"
holds_that 'the higher version installs' inside dpkg --install "$shared/higher.deb"
holds_that 'an enabled socket gets the links of its new unit' inside test -L \
  "$links/logcaster.service.wants/logcaster-irc.socket"
inside systemctl disable --quiet --now logcaster-irc.socket
code=0
wait "$sender" || code=$?
same 'a sender meanwhile ends well' "$code" 0
holds_that 'the service is another process' test \
  "$before" != "$(inside systemctl show --property MainPID --value logcaster.service)"
same 'every line is there' "$(inside logcaster query 'QUERY format=raw limit=10000' |
  sort --unique | wc --lines)" 3000
holds_that 'the lower version installs again' inside dpkg --install "$shared/logcaster.deb"
holds_that 'and serves' await 20 is_ready

# A socket that is not there by itself; it can only be opened together with the service.
holds_that 'another socket is enabled' inside systemctl enable logcaster-irc.socket
holds_that 'and opened' inside systemctl restart logcaster.service
holds_that 'it is served without a setting' says_welcome

holds_that 'the package is removed' inside dpkg --remove logcaster
same 'nothing listens any more' "$(inside systemctl is-active logcaster-log.socket || true)" inactive
same 'no socket is opened with the machine any more' \
  "$(inside find /etc/systemd/system -name 'logcaster*')" ''
holds_that 'the lines stay' inside test -s /var/lib/logcaster/segment
holds_that 'the package is purged' inside dpkg --purge logcaster
holds_that 'the lines go' inside test ! -e /var/lib/logcaster
stop_machine
