#!/usr/bin/env bash
# Prepares the Python environment; other scripts source this and call
# `setup_env [tests]`, which sets PYTHON.
#
# Uses the environment of $PYTHON where that is set, else makes `.venv` in the
# repository root. Keeps a torch or a stock OpenMMLab stack that is there.
# Does nothing when what it would install has not changed since.

# What was tried. A newer torch that is there is kept, with a warning.
TORCH='torch>=2.1,<2.15'
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

say() { echo "[setup] $*"; }

warn() { echo "[setup] warning: $*" >&2; }

fail() {
    echo "[setup] error: $*" >&2
    exit 1
}

# timed 'what is done' command...: runs the command and says how long it took.
timed() {
    local what="$1" start=$SECONDS
    shift
    say "$what ..."
    "$@" || fail "$what failed; what went wrong stands above."
    say "    done in $((SECONDS - start)) s"
}

pip_install() {
    MMCV_WITH_OPS=0 "$PYTHON" -m pip install --quiet \
        --disable-pip-version-check "$@"
}

# suitable PYTHON: whether it runs and is a version that this package supports.
suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
        2>/dev/null
}

find_python() {
    local name without_venv=''
    for name in python3.12 python3.11 python3.10 python3.13 python3; do
        suitable "$name" || continue
        if "$name" -c 'import ensurepip, venv' 2>/dev/null; then
            PYTHON="$name"
            return
        fi
        without_venv="$name"
    done
    if [ -n "$without_venv" ]; then
        fail "$without_venv cannot make virtual environments. Install its" \
            "venv module (Debian, Ubuntu: apt install $without_venv-venv) or" \
            "name another Python: PYTHON=/path/to/python bash $0"
    fi
    fail "no Python 3.10 to 3.13 found. Install one, or name it:" \
        "PYTHON=/path/to/python bash $0"
}

choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON: not found."
        suitable "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.10-3.13:" \
            "$("$PYTHON" --version 2>&1)"
        "$PYTHON" -m pip --version >/dev/null 2>&1 ||
            fail "PYTHON=$PYTHON has no pip: $PYTHON -m ensurepip"
    else
        if ! suitable "$ROOT/.venv/bin/python"; then
            find_python
            timed "Making .venv with $PYTHON ($("$PYTHON" --version))" \
                "$PYTHON" -m venv --clear "$ROOT/.venv"
        fi
        PYTHON="$ROOT/.venv/bin/python"
    fi
    PYTHON="$("$PYTHON" -c 'import sys; print(sys.executable)')"
}

# What the environment holds, as lines `torch 2.13.0`, `stock mmdet 3.3.0`.
installed() {
    "$PYTHON" - <<'EOF'
from importlib.metadata import PackageNotFoundError, version

STOCK = ('mmengine', 'mmcv', 'mmcv-lite', 'mmdet', 'mmsegmentation')
for kind, names in (('torch', ('torch',)), ('stock', STOCK)):
    for name in names:
        try:
            print(kind, name, version(name))
        except PackageNotFoundError:
            pass
EOF
}

# install_torch FOUND: FOUND is the version that is there, if one is.
install_torch() {
    local found="$1"
    if [ -z "$found" ]; then
        # In one call, so that pip takes two that fit.
        timed "Installing torch and torchvision (the largest download)" \
            pip_install "$TORCH" torchvision
        require_torchvision
        return
    fi
    case "$found" in
    [01].* | 2.0 | 2.0[.+]*)
        fail "torch $found is in this environment; supported is $TORCH." \
            "Install one of these there ($PYTHON -m pip install '$TORCH')," \
            "or leave PYTHON unset to get a .venv of its own."
        ;;
    2.[1-9] | 2.[1-9][.+]* | 2.1[0-4] | 2.1[0-4][.+]*) ;;
    *) warn "torch $found is newer than what was tried ($TORCH)." ;;
    esac
    say "Keeping torch $found"
    add_torchvision "$found"
}

# Whether torchvision imports and its operators run. One that was built for
# another torch fails in various ways.
torchvision_works() {
    "$PYTHON" - 2>/dev/null <<'EOF'
import torch
import torchvision

torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
EOF
}

has_torchvision() {
    "$PYTHON" -c 'import importlib.metadata as m; m.version("torchvision")' \
        2>/dev/null
}

# add_torchvision TORCH: adds the torchvision that fits a torch which is kept.
# It is optional: nothing here ends the set-up.
add_torchvision() {
    local torch="$1"
    if has_torchvision; then
        torchvision_works || warn "the torchvision that is there does not" \
            "work with torch $torch. Runs go on without it; better" \
            "uninstall it ($PYTHON -m pip uninstall torchvision), or install" \
            "the one built for this torch, from where the torch came from."
        return
    fi
    say "Installing the torchvision that fits torch $torch ..."
    if pip_install "torch==$torch" torchvision; then
        require_torchvision
    else
        warn "no torchvision fits torch $torch. Going on without." \
            "$WITHOUT_TORCHVISION"
    fi
}

WITHOUT_TORCHVISION="Detection operators then run in plain torch, which is\
 slower, above all on a GPU."

# Removes the torchvision that was just installed if it does not work.
require_torchvision() {
    torchvision_works && return
    "$PYTHON" -m pip uninstall --quiet --yes torchvision
    warn "torchvision was removed again: it does not import beside this torch." \
        "A torch for CPUs needs the torchvision for CPUs, from where the torch" \
        "came from. $WITHOUT_TORCHVISION"
}

install_stack() {
    local stock="$1" torch="$2"
    if [ -z "$stock" ]; then
        case "$torch" in
        2.[12] | 2.[12][.+]*)
            fail "the OneDL stack needs numpy 2, which torch $torch does not" \
                "take. Use torch >= 2.3, or install the stock stack first:" \
                "see requirements/openmmlab.txt and docs/compatibility.md."
            ;;
        esac
        timed "Installing the OneDL stack and cankd_mm, without compiling" \
            pip_install -r "$ROOT/requirements/onedl.txt" -e "$ROOT"
        return
    fi
    say "Keeping the stock OpenMMLab stack:" $stock
    "$PYTHON" - <<'EOF' || fail "this stock stack is incomplete. Install the" \
        "rest: $PYTHON -m pip install --no-build-isolation -r" \
        "requirements/openmmlab.txt"
import sys
from importlib.util import find_spec

missing = [
    name
    for name in ('mmengine', 'mmcv', 'mmdet', 'mmseg')
    if find_spec(name) is None
]
sys.exit(f'[setup] missing: {", ".join(missing)}' if missing else 0)
EOF
    timed "Installing MMRazor and cankd_mm" \
        pip_install 'mmrazor==1.0.0' -e "$ROOT"
}

# A fingerprint of this checkout, this script, and what it installs.
fingerprint() {
    "$PYTHON" - "$ROOT" <<'EOF'
import hashlib
import sys
from pathlib import Path

root = Path(sys.argv[1])
digest = hashlib.sha256(f'{root} {sys.version}'.encode())
files = [*root.glob('requirements/*.txt'), root / 'setup.py']
for path in sorted(files) + [root / 'tools' / 'setup_env.sh']:
    digest.update(path.read_bytes())
print(digest.hexdigest())
EOF
}

# once NAME command...: runs the command unless it ran for this fingerprint.
once() {
    local stamp="$1"
    stamp="$("$PYTHON" -c 'import sys; print(sys.prefix)')/.cankd_mm_$stamp"
    shift
    [ "$(cat "$stamp" 2>/dev/null)" = "$FINGERPRINT" ] && return
    "$@"
    echo "$FINGERPRINT" >"$stamp"
}

install_package() {
    local found
    found="$(installed)"
    install_torch "$(echo "$found" | sed -n 's/^torch torch //p')"
    install_stack "$(echo "$found" | sed -n 's/^stock //p')" \
        "$(installed | sed -n 's/^torch torch //p')"
}

install_test_tools() {
    timed 'Installing the test tools' \
        pip_install -r "$ROOT/requirements/tests.txt"
}

# setup_env [tests]: sets PYTHON to an interpreter that runs this package.
setup_env() {
    local start=$SECONDS
    choose_python
    FINGERPRINT="$(fingerprint)"
    once package install_package
    if [ "${1:-}" = tests ]; then
        once tests install_test_tools
    fi
    export PYTHON
    say "Ready in $((SECONDS - start)) s: $PYTHON"
}
