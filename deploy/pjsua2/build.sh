#!/usr/bin/env bash
# Builds a wheel of pjsua2 that carries 512 calls, from the source package of Debian 12 that contains pjproject. See README.md beside this.
# Usage: build.sh [FOLDER FOR THE WHEEL]; CALLS=N for another limit. Wants root for the packages, or that they are installed already.
set -euo pipefail

calls="${CALLS:-512}"
out="$(mkdir -p "${1:-.}" && cd "${1:-.}" && pwd)"
python="${PYTHON:-python3}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

needed=(dpkg-dev swig g++ make pkg-config libopus-dev libssl-dev libspeex-dev libspeexdsp-dev libgsm1-dev)
if ! dpkg --status "${needed[@]}" >/dev/null 2>&1; then
  apt-get install -y --no-install-recommends "${needed[@]}"
fi

cd "$work"
# Only this run knows of the source packages: the system's own list stays as it is.
lists="$work/lists"; mkdir -p "$lists/partial"
list="$work/sources.sources"
if [ -f /etc/apt/sources.list.d/debian.sources ]; then
  sed 's/^Types: .*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > "$list"
else
  list="$work/sources.list"
  sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > "$list"
fi
apt_here=(-o "Dir::Etc::SourceList=$list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$lists")
apt-get "${apt_here[@]}" update
apt-get "${apt_here[@]}" source --download-only ring
tar --extract --auto-compress --file ring_*.orig.tar.*
source_dir="$(dirname "$(find . -path '*/pjlib/include' -prune -print | head -1)")/.."
if [ ! -d "$source_dir/pjsip" ]; then
  packed="$(find . -name 'pjproject*.tar.*' | head -1)"
  [ -n "$packed" ] || { echo 'This version of the source package has no pjproject in it.' >&2; exit 1; }
  tar --extract --auto-compress --file "$packed"
  source_dir="$(dirname "$(find . -path '*/pjlib/include' -prune -print | head -1)")/.."
fi
cd "$source_dir"

cat > pjlib/include/pj/config_site.h <<SITE
#define PJSUA_MAX_CALLS $calls
#define PJSUA_MAX_ACC 64
#define PJ_IOQUEUE_MAX_HANDLES 4096
#define PJSIP_MAX_TSX_COUNT 65535
#define PJSIP_MAX_DIALOG_COUNT 65535
SITE
CFLAGS='-O2 -fPIC -DNDEBUG' ./configure --enable-epoll --disable-sound --disable-video --with-external-speex --with-external-gsm \
  --disable-ilbc-codec --disable-g7221-codec --disable-libyuv --disable-libwebrtc --disable-bcg729 --disable-speex-aec
make dep
make lib

cd pjsip-apps/src/swig/python
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'setuptools<81' wheel
# Without -threads a callback from a thread of pjsip's ends the process.
make pjsua2_wrap.cpp USE_THREADS='-threads -DSWIG_NO_EXPORT_ITERATOR_METHODS'
"$work/venv/bin/pip" wheel --quiet --no-build-isolation --no-deps --wheel-dir "$out" .
ls "$out"/pjsua2-*.whl
