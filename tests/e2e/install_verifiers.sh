#!/bin/sh
# Install verifiers into its own environment, whose client of OpenAI is older than ours. Neither torch nor TRL is needed
# there. Idempotent and quiet: prints one line, and exits 1 with the reason where it cannot be done.
#
#     tests/e2e/install_verifiers.sh .venv-verifiers
set -u

name=verifiers
version=0.4.0
. "$(dirname "$0")/own_environment.sh"
packages="verifiers==$version pyyaml>=6,<7"

end_if_installed "$packages, $library"
create
# shellcheck disable=SC2086
$install $packages --editable "$library[openai]" >> "$log" 2>&1 || fail "no fitting versions"
finish "import agentcvr_env"
