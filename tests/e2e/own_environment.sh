# The common parts of the scripts that install a package into its own environment. They set `name` and `version`, source
# this file, and call its functions in this order; between the last two they install with `pip` or `install`.
#
# Reads the environment's folder from the first argument of the script. Sets `venv`, `python`, `library` and `log`.
# shellcheck shell=sh disable=SC2034,SC2154

venv=${1:?"usage: $0 VENV_DIR"}
python=${PYTHON:-$(command -v python3.11 || command -v python3)}
library=$(cd "$(dirname "$0")/../.." && pwd)
log=$venv/install.log

# end_if_installed RECIPE: end the script where the environment was installed by the same recipe.
end_if_installed() {
    recipe=$1
    if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/complete" 2>/dev/null)" = "$recipe" ]; then
        echo "$name $version is installed in $venv"
        exit 0
    fi
}

# fail REASON: end the script with one line.
fail() {
    echo "$name is not installed: $1 (see $log)" >&2
    rm -f "$venv/complete"
    exit 1
}

# create: make the environment. Sets `pip`, and `install`, which is uv where it is: it takes pip many minutes to find
# versions that fit.
create() {
    "$python" -m venv "$venv" || { echo "$python -m venv $venv failed" >&2; exit 1; }
    : > "$log"
    pip="$venv/bin/python -m pip --quiet --disable-pip-version-check"
    install="$pip install"
    if command -v uv > /dev/null 2>&1; then
        install="uv pip install --quiet --python $venv/bin/python"
    fi
}

# finish STATEMENT: check the environment with a statement of Python, and note the recipe.
finish() {
    "$venv/bin/python" -c "$1" >> "$log" 2>&1 || fail "it does not import"
    echo "$recipe" > "$venv/complete"
    echo "$name $version is installed in $venv"
}
