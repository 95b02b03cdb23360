#!/bin/sh
# Install verl into its own environment, whose transformers is older than ours. Idempotent and quiet: prints one line,
# and exits 1 with the reason where it cannot be done.
#
#     tests/e2e/install_verl.sh .venv-verl
set -u

venv=${1:?"usage: $0 VENV_DIR"}
python=${PYTHON:-$(command -v python3.11 || command -v python3)}
version=0.9.1
torch=2.13.0
library=$(cd "$(dirname "$0")/../.." && pwd)
recipe="verl $version, torch $torch, $library"
log=$venv/install.log

fail() {
    echo "verl is not installed: $1 (see $log)" >&2
    rm -f "$venv/complete"
    exit 1
}

if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/complete" 2>/dev/null)" = "$recipe" ]; then
    echo "verl $version is installed in $venv"
    exit 0
fi

"$python" -m venv "$venv" || { echo "$python -m venv $venv failed" >&2; exit 1; }
pip="$venv/bin/python -m pip --quiet --disable-pip-version-check"
: > "$log"
$pip install "torch==$torch" >> "$log" 2>&1 || fail "torch==$torch could not be installed"
# What verl's agent loop imports and its own requirements leave out.
servers="fastapi uvicorn cachetools pyzmq msgspec"
# uv, where it is, because it takes pip many minutes to find versions that fit.
if command -v uv > /dev/null 2>&1; then
    install="uv pip install --quiet --python $venv/bin/python"
else
    install="$pip install"
fi
# shellcheck disable=SC2086
$install "verl==$version" $servers "torch==$torch" --editable "$library[training]" >> "$log" 2>&1 || fail "no fitting versions"
"$venv/bin/python" -c "import verl.experimental.agent_loop, agentcvr_training" >> "$log" 2>&1 || fail "it does not import"
echo "$recipe" > "$venv/complete"
echo "verl $version is installed in $venv"
