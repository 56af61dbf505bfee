#!/usr/bin/env bash
# What kustomize makes of deploy/kubernetes: names that must fit each other do, what is locked down
# is, and the server runs with the rendered settings and answers the rendered probes. There is no
# cluster here: schemas are checked by `make lint`, and here that a wrong word would be found.
# Usage: tests/deploy/kubernetes.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

export PATH=$target/lint/bin:$PATH
python=$target/lint/venv/bin/python3
if ! command -v kubectl >/dev/null; then
  skipped kubernetes 'there is no kubectl'
  exit
fi
if [[ ! -x $python ]]; then
  skipped kubernetes 'the linters are not here: make lint-tools'
  exit
fi
if [[ $(id --user) != 0 ]]; then
  skipped kubernetes 'a root and a network of its own for the server need root'
  exit
fi

if ! unshare --net true 2>"$work/unshare.log"; then
  skipped kubernetes "no network namespace can be made here: $(cat "$work/unshare.log")"
  exit
fi

for kustomization in base overlays/daemonset overlays/sidecar; do
  rendered=$work/$(basename "$kustomization").yaml
  holds_that "kustomize $kustomization" \
    kubectl kustomize "$top/deploy/kubernetes/$kustomization" --output "$rendered"
  # On a network of its own the ports are those that are written down.
  unshare --net "$python" "$top/tests/deploy/kubernetes.py" "$kustomization" "$rendered" \
    "$static" "$work/$(basename "$kustomization")" || failures=$((failures + 1))
done

validate=$target/lint/venv/bin/kubernetes-validate
if ! "$validate" --version >"$work/validate.log" 2>&1; then
  skipped 'schemas of Kubernetes' 'there is no kubernetes-validate: make lint-tools'
  exit
fi
# A refusal counts only where the same file passes as it is.
holds_that 'base by its schema' "$validate" --strict --no-warn "$work/base.yaml"
# Usage: is_refused NAME SED-EXPRESSION
is_refused() {
  sed "$2" "$work/base.yaml" >"$work/wrong.yaml"
  if "$validate" --strict --no-warn "$work/wrong.yaml" >"$work/wrong.log" 2>&1; then
    failed "$1" 'expected that the schema refuses it, seen that it passes'
  else
    ok "$1"
  fi
}
is_refused 'a misspelt field is found' s/readOnlyRootFilesystem/readOnlyRootFileSystem/
is_refused 'a word in place of a number is found' 's/runAsUser: 65532/runAsUser: nobody/'
