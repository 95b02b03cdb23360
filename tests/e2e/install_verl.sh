#!/bin/sh
# Install verl into its own environment, whose transformers is older than ours. Idempotent and quiet: prints one line,
# and exits 1 with the reason where it cannot be done.
#
#     tests/e2e/install_verl.sh .venv-verl
set -u

name=verl
version=0.9.1
torch=2.13.0
. "$(dirname "$0")/own_environment.sh"

end_if_installed "verl $version, torch $torch, $library"
create
$pip install "torch==$torch" >> "$log" 2>&1 || fail "torch==$torch could not be installed"
# What verl's agent loop imports and its own requirements leave out.
servers="fastapi uvicorn cachetools pyzmq msgspec"
# shellcheck disable=SC2086
$install "verl==$version" $servers "torch==$torch" --editable "$library[training]" >> "$log" 2>&1 || fail "no fitting versions"
finish "import verl.experimental.agent_loop, agentcvr_training"
