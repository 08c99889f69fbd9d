#!/usr/bin/env bash
# Installs and tries the second profile (TFX 1.21) in a Debian 13 made by debootstrap. Not part of CI; needs root.
# Usage: scripts/try_on_trixie.sh ROOT [tests|demo|all]      ROOT is a folder for the system, about 6 GB; it stays.
# The mirror and the certificates are this machine's own (MIRROR=... takes another). ARGS=tests/e2e runs those tests only.
set -euo pipefail
root=$(readlink -m "${1:?a folder for the system is expected}")
what=${2:-all}
here=$(cd "$(dirname "$0")/.." && pwd)
mirror=${MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' | grep '/debian/*$' | uniq || true)}

if [ ! -e "$root/.made" ]; then
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,make,git trixie "$root" "$mirror"
    touch "$root/.made"
fi
cp -L --remove-destination /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
    if [ -e "$file" ]; then cp -L --remove-destination "$file" "$root$file"; fi
done
for folder in proc dev; do
    mountpoint -q "$root/$folder" || mount --rbind "/$folder" "$root/$folder"
done
trap 'umount -l "$root/proc" "$root/dev"' EXIT

rm -rf "$root/x3d/.new"
mkdir -p "$root/x3d/.new"
git -C "$here" archive HEAD | tar -x -C "$root/x3d/.new"
# The environment of an earlier try stays; the sources are replaced.
find "$root/x3d" -mindepth 1 -maxdepth 1 ! -name .new ! -name '.venv*' ! -name runs -exec rm -rf {} +
cp -r "$root/x3d/.new/." "$root/x3d/" && rm -rf "$root/x3d/.new"

inside() { chroot "$root" /bin/bash -c "cd /x3d && $1"; }
inside 'make install'
inside '.venv/bin/python -c "import platform; print(platform.libc_ver(), platform.python_version())"'
inside 'ls -d .venv/lib/python3*/site-packages/{tfx,tensorflow,apache_beam}-*.dist-info'
if [ "$what" != demo ]; then inside "make test ARGS='${ARGS:-}'"; fi
if [ "$what" != tests ]; then inside 'make demo'; fi
