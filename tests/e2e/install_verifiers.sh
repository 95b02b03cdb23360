#!/bin/sh
# Install verifiers into its own environment, whose client of OpenAI is older than ours. Neither torch nor TRL is needed
# there. Idempotent and quiet: prints one line, and exits 1 with the reason where it cannot be done.
#
#     tests/e2e/install_verifiers.sh .venv-verifiers
set -u

venv=${1:?"usage: $0 VENV_DIR"}
python=${PYTHON:-$(command -v python3.11 || command -v python3)}
version=0.4.0
library=$(cd "$(dirname "$0")/../.." && pwd)
packages="verifiers==$version pyyaml>=6,<7"
recipe="$packages, $library"
log=$venv/install.log

fail() {
    echo "verifiers is not installed: $1 (see $log)" >&2
    rm -f "$venv/complete"
    exit 1
}

if [ -x "$venv/bin/vf-eval" ] && [ "$(cat "$venv/complete" 2>/dev/null)" = "$recipe" ]; then
    echo "verifiers $version is installed in $venv"
    exit 0
fi

# uv, where it is, because it takes pip many minutes to find versions that fit.
if command -v uv > /dev/null 2>&1; then
    uv venv --quiet --allow-existing --python "$python" "$venv" || { echo "uv venv $venv failed" >&2; exit 1; }
    install="uv pip install --quiet --python $venv/bin/python"
else
    "$python" -m venv "$venv" || { echo "$python -m venv $venv failed" >&2; exit 1; }
    install="$venv/bin/python -m pip --quiet --disable-pip-version-check install"
fi
# shellcheck disable=SC2086
$install $packages --editable "$library[openai]" > "$log" 2>&1 || fail "no fitting versions"
"$venv/bin/python" -c "import agentcvr_env" >> "$log" 2>&1 || fail "it does not import"
echo "$recipe" > "$venv/complete"
echo "verifiers $version is installed in $venv"
