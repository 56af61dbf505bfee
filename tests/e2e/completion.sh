#!/usr/bin/env bash
# The completion scripts in the shells they are for: each must be read without a word, and complete
# commands, flags and values. A shell that this machine does not have is skipped. zsh and fish are
# asked at a terminal, as people ask them. Called by `make e2e`.
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

for shell in bash zsh fish; do
  if ! command -v "$shell" >/dev/null; then
    skipped "completion in $shell" 'the shell is not installed'
    continue
  fi
  python3 "$top/tests/e2e/completion.py" "$logcaster" "$shell" "$work" || failures=$((failures + 1))
done
