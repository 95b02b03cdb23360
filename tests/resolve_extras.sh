#!/bin/sh
# Check that extras which users install together resolve together, from metadata alone: nothing is installed.
# One line a combination; exits 1 where one has no solution.
#
#     tests/resolve_extras.sh            # uses `uv` of the environment in .venv, else of the path
#
# constraints.txt is left out on purpose: what is checked is pyproject.toml.
set -u
cd "$(dirname "$0")/.." || exit 1
uv=.venv/bin/uv
[ -x "$uv" ] || uv=$(command -v uv) || { echo "uv is not installed; it is in the extra 'dev'" >&2; exit 1; }
failed=0
found=$(mktemp)
trap 'rm -f "$found" "$found.log"' EXIT

resolve() {
    name=$1
    shift
    # What stands in the file from before would be preferred.
    : > "$found"
    if "$uv" pip compile pyproject.toml --quiet --no-header --no-annotate \
        --python-version 3.11 --python-platform linux --output-file "$found" "$@" 2> "$found.log"; then
        versions=$(grep -E '^(torch|transformers|trl|vllm)==' "$found" | cut -d ' ' -f 1 | tr '\n' ' ')
        echo "$name: $versions"
    else
        failed=1
        echo "$name: no solution"
        cat "$found.log" >&2
    fi
}

resolve "training + transformers" --extra training --extra transformers
# Extras within extras do not count as direct, so they are named.
resolve "the same, oldest allowed" --extra training --extra transformers --extra live --resolution lowest-direct
resolve "training + vllm" --extra training --extra vllm
exit $failed
