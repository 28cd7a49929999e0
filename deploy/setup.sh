#!/usr/bin/env bash
# Prepares a fresh Debian or Ubuntu machine: deploy/setup.sh run | test
#
# run   a virtual environment in .venv with what the server needs, nothing else
# test  the same with the test tools, and the Debian packages the tests run against
#
# Safe to call every time: it installs only what is missing or what a changed lock file asks for. As root, or as a user with sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly purpose="${1:-run}"
readonly test_packages=(
  fonts-dejavu-core            # so that pages have letters
  kamailio kamailio-tls-modules  # the registrar that stands for a PBX
  sip-tester                   # SIPp
  baresip-core linphone-cli    # two SIP phones of different makes
  coturn                       # the TURN server
  redis-server                 # what several nodes share
  postgresql                   # the second database of the store
  request-tracker5 rt5-db-sqlite rt5-standalone  # a ticketing that is not ours; it serves itself, without Apache
  espeak-ng                    # speaks what nobody recorded
  gcc libc6-dev                # the speech score (pesq) is compiled on installation
)

log="$(mktemp)"
policy=""
cleanup() {
  rm -f "$log"
  if [[ -n "$policy" ]]; then as_root rm -f "$policy"; fi
}
trap cleanup EXIT

fail() {
  printf '\n%s\n' "$1" >&2
  if [[ -s "$log" ]]; then
    printf 'The last lines it said:\n' >&2
    tail -n 15 "$log" | sed 's/^/  /' >&2
  fi
  exit 1
}

as_root() {
  if [[ "$(id -u)" -eq 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

may_become_root() {
  [[ "$(id -u)" -eq 0 ]] && return 0
  command -v sudo >/dev/null || return 1
  sudo -n true 2>/dev/null && return 0
  [[ -t 0 ]]  # sudo can ask for the password
}

installed() {
  [[ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null)" == ii* ]]
}

# Debian starts a server as soon as it is installed; ours must not sit on a fixed port, so the packages' own starts are refused.
forbid_service_starts() {
  [[ -e /usr/sbin/policy-rc.d ]] && return
  printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
  policy=/usr/sbin/policy-rc.d
  as_root chmod 755 "$policy"
}

install_packages() {
  local missing=() package
  for package in "$@"; do
    installed "$package" || missing+=("$package")
  done
  [[ ${#missing[@]} -eq 0 ]] && return
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    fail "This needs Debian or Ubuntu (apt-get is missing). Elsewhere install by hand: ${missing[*]}"
  may_become_root ||
    fail "These Debian packages are missing and this user can become root neither directly nor by sudo: ${missing[*]}
Ask an administrator to run: apt-get install -y --no-install-recommends ${missing[*]}"
  printf 'Installing Debian packages: %s\n' "${missing[*]}"
  forbid_service_starts
  as_root apt-get update -qq >"$log" 2>&1 || fail "apt-get update failed: is the network up, are the package sources right?"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1 ||
    fail "apt-get could not install: ${missing[*]}"
}

# Sets $python to an interpreter of at least 3.11 that can make virtual environments.
choose_python() {
  local candidate version
  for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    command -v "$candidate" >/dev/null || continue
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue
    python="$candidate"
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    version="$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')"
    install_packages "python$version-venv"
    return
  done
  if ! command -v python3 >/dev/null; then
    install_packages python3 python3-venv
    python=python3
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' && return
  fi
  fail "Python 3.11 or newer is needed, and this machine offers only: $(python3 --version 2>&1). Install one and say PYTHON=/path/to/python3 make ..."
}

# The lock files, the project's own description, the interpreter and the place: when one changes, .venv is brought up to date.
fingerprint() {
  { cat requirements/build.txt "$1" pyproject.toml media/wire/*.[ch]; "$python" --version; pwd; } | sha256sum | cut -d' ' -f1
}

install_python_packages() {
  local lock="requirements/$purpose.txt" stamp=".venv/.installed-$purpose" print
  print="$(fingerprint "$lock")"
  [[ -x .venv/bin/centralita && "$(cat "$stamp" 2>/dev/null)" == "$print" ]] && return
  printf 'Installing Python packages into .venv (%s)\n' "$lock"
  export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_WARN_SCRIPT_LOCATION=1 PIP_NO_INPUT=1
  "$python" -m venv .venv >"$log" 2>&1 || fail "$python could not make a virtual environment in .venv."
  .venv/bin/python -m pip install --quiet --require-hashes -r requirements/build.txt -r "$lock" >"$log" 2>&1 ||
    fail "pip could not install $lock: is the package index reachable?"
  .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable . >"$log" 2>&1 ||
    fail "pip could not install the project itself."
  printf '%s\n' "$print" >"$stamp"
  # The test lock holds all of the run lock, in the same versions.
  if [[ "$purpose" == test ]]; then fingerprint requirements/run.txt >.venv/.installed-run; fi
}

# The sound kernels take half a minute to compile, once for this processor and these sources: here, and not in the first start's way.
compile_kernels() {
  local stamp=".venv/.compiled" print
  print="$({ cat dsp/*.py ml/*.py media/rehearsal.py; grep -m1 '^model name' /proc/cpuinfo || true; pwd; } | sha256sum | cut -d' ' -f1)"
  [[ "$(cat "$stamp" 2>/dev/null)" == "$print" ]] && return
  printf 'Compiling the sound kernels\n'
  rm -rf dsp/__pycache__/kernels-*
  .venv/bin/centralita prepare >"$log" 2>&1 || fail "The sound kernels could not be compiled."
  printf '%s\n' "$print" >"$stamp"
}

# Ubuntu ships browsers only as snaps, which cannot run headless under a test: there Playwright's own builds are taken.
install_browsers() {
  local package packages=() name others=()
  for package in chromium firefox-esr; do
    name="${package%-esr}"
    if installed "$package" || apt-cache madison "$package" 2>/dev/null | grep -q .; then
      packages+=("$package")
    elif ! compgen -G "${HOME}/.cache/ms-playwright/$name-*" >/dev/null; then
      others+=("$name")
    fi
  done
  install_packages "${packages[@]}"
  [[ ${#others[@]} -eq 0 ]] && return
  printf 'Installing %s through Playwright\n' "${others[*]}"
  may_become_root || fail "Browsers are missing and this user cannot become root. Ask an administrator for: playwright install --with-deps ${others[*]}"
  .venv/bin/playwright install --with-deps "${others[@]}" >"$log" 2>&1 || fail "Playwright could not install ${others[*]}."
}

case "$purpose" in
  run)
    choose_python
    install_python_packages
    compile_kernels
    ;;
  test)
    choose_python
    version="$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')"
    headers="$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')"
    [[ -e "$headers/Python.h" ]] || install_packages "python$version-dev"
    install_packages "${test_packages[@]}"
    install_python_packages
    install_browsers
    compile_kernels
    ;;
  *)
    fail "usage: deploy/setup.sh run | test"
    ;;
esac
