#!/bin/sh
# Install the commands that the tests call and that are missing; where the user may not, name them.
set -u
missing=""
command -v ffmpeg >/dev/null || missing="$missing ffmpeg"
command -v flite >/dev/null || missing="$missing flite"
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing="$missing chromium"
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf ] || missing="$missing fonts-dejavu-core"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo"; else as_root="none"; fi
if [ "$as_root" = none ] || ! command -v apt-get >/dev/null; then
    echo "Please install:$missing   (on Debian: sudo apt-get install$missing)" >&2
    exit 1
fi
echo "installing$missing"
$as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq $missing >/dev/null
