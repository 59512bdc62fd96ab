#!/bin/sh
# Builds .venv from requirements.lock: every file is checked against its hash.
#
# Promise: it may run any number of times. It does only what is missing, an interrupted run can be
# repeated, and an error that stops it is printed as one message with the next step.
#
# Environment: PYTHON (interpreter to use), PIP_INDEX_URL and pip's own configuration.

set -eu

cd "$(dirname "$0")/.."
venv=.venv
log=$venv/setup.log
stamp=$venv/.ready

stop() {
    printf 'set-up stopped: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

say() { printf '%s\n' "$*"; }

is_supported() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_supported "$PYTHON" && printf '%s\n' "$PYTHON"
        return 0
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
        if is_supported "$candidate"; then printf '%s\n' "$candidate"; return 0; fi
    done
}

# pip's settings, from its files and from PIP_*: uv reads neither.
pip_setting() {
    for section in :env: install global; do
        value=$(sed -n "s/^$section\.$1='\(.*\)'\$/\1/p" "$venv/pip-config" | head -n 1)
        if [ -n "$value" ]; then
            printf '%s\n' "$value" | sed -e 's/\\n/ /g' -e 's/^ *//'
            return 0
        fi
    done
}

borrow_pip_settings() {
    "$venv/bin/python" -m pip config list >"$venv/pip-config" 2>/dev/null || : >"$venv/pip-config"
    index=$(pip_setting index-url)
    extra=$(pip_setting extra-index-url)
    links=$(pip_setting find-links)
    roots=$(pip_setting cert)
    rm -f "$venv/pip-config"
    # A mirror in pip's settings may need credentials: they are passed by environment, never on a
    # command line, and are never printed.
    if [ -n "$index" ]; then UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}; export UV_DEFAULT_INDEX; fi
    if [ -n "$extra" ]; then UV_INDEX=${UV_INDEX:-$extra}; export UV_INDEX; fi
    if [ -n "$links" ]; then
        UV_FIND_LINKS=${UV_FIND_LINKS:-$(printf '%s' "$links" | tr ' ' ',')}; export UV_FIND_LINKS
    fi
    if [ -n "$roots" ]; then SSL_CERT_FILE=${SSL_CERT_FILE:-$roots}; export SSL_CERT_FILE; fi
}

# The lines of one package in the lock file, with their hashes.
locked() {
    awk -v name="$1==" '
        index($0, name) == 1 { inside = 1 }
        inside && /^[[:space:]]*#/ { inside = 0 }
        inside && !/^[[:space:]]/ && index($0, name) != 1 { inside = 0 }
        inside { print }' requirements.lock
}

show_log() { tail -n 6 "$log" | cut -c 1-200 | sed 's/^/  | /' >&2; }

# Runs a command quietly; when it fails, shows the end of the log and what usually helps.
fetch() {
    if ! "$@" >>"$log" 2>&1; then
        show_log
        stop "packages could not be installed." \
            "Is the network there, and room on the disk? Behind a mirror, set PIP_INDEX_URL (pip's" \
            "own configuration is honoured too). Then run the same command again: what is done" \
            "stays done. Everything that was said is in $log."
    fi
}

python=$(find_python)
if [ -z "$python" ]; then
    stop "Python 3.11 or newer is needed, found $(python3 --version 2>/dev/null || echo none)." \
        "Debian, Ubuntu: sudo apt install python3.11 python3.11-venv" \
        "macOS: brew install python@3.12" \
        "It is elsewhere? make setup PYTHON=/path/to/python3"
fi

if ! is_supported "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "Making $venv with $("$python" --version)"
    if ! "$python" -m venv --clear "$venv" >/dev/null 2>&1; then
        stop "$python can't make a virtual environment in $PWD/$venv." \
            "Debian, Ubuntu: sudo apt install python3-venv" \
            "Or the directory is not writable or the disk is full."
    fi
fi
: >"$log"
borrow_pip_settings

if ! "$venv/bin/uv" --version >/dev/null 2>&1; then
    say "Fetching uv, the installer"
    locked uv >"$venv/uv.lock"
    fetch "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --require-hashes --requirement "$venv/uv.lock"
fi

say "Installing the locked packages (minutes the first time, then cached)"
VIRTUAL_ENV=$PWD/$venv
UV_NO_CONFIG=1
export VIRTUAL_ENV UV_NO_CONFIG
# Compiled here once: a process that may not write its bytecode would compile it at each start.
fetch "$venv/bin/uv" pip sync --quiet --compile-bytecode --require-hashes requirements.lock
if ! "$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation --editable . >>"$log" 2>&1; then
    show_log
    stop "Strandline itself could not be installed into $venv." \
        "Is this a complete checkout? git status shows what is missing or changed."
fi
rm -f "$venv/uv.lock"

say "Preparing Spark (Java if there is none, jars, classes for fast starts)"
# Whoever sets up agrees: the README says that a Java is fetched where there is none.
STRANDLINE_JAVA=${STRANDLINE_JAVA:-fetch}
export STRANDLINE_JAVA
if ! "$venv/bin/python" -m deployments.build_jvm_class_archive >>"$log" 2>&1; then
    show_log
    say "Spark could not be prepared: what runs it will say why, or start slower. See $log."
fi

touch "$stamp"
say "Ready: $venv"
