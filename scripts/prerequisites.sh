#!/bin/sh
# Installs what building, testing and the demo need and is missing: Debian packages, and npm where there is none.
# Costs a fraction of a second when everything is there. Needs root only when something must be installed.
set -eu

# command or file that shows the package is there : Debian package
wanted='
cc:gcc
make:make
/usr/lib/x86_64-linux-gnu/libc.a:libc6-dev
ip:iproute2
bridge:iproute2
ping:iputils-ping
nsenter:util-linux
unshare:util-linux
sysctl:procps
strace:strace
sqlite3:sqlite3
tcpdump:tcpdump
nft:nftables
etcd:etcd-server
etcdctl:etcd-client
openssl:openssl
/usr/lib/cni/ptp:containernetworking-plugins
'

missing=''
for row in $wanted; do
  probe=${row%%:*}
  case $probe in
    /*) [ -e "$probe" ] || missing="$missing ${row#*:}" ;;
    *) command -v "$probe" >/dev/null 2>&1 || missing="$missing ${row#*:}" ;;
  esac
done
command -v npm >/dev/null 2>&1 || missing="$missing npm"
[ -n "$missing" ] || exit 0

echo "installing Debian packages:$missing"
if [ "$(id -u)" != 0 ]; then
  echo "scripts/prerequisites.sh: this needs root; install them by hand or run make as root" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086  # a list of package names
apt-get install -y -qq --no-install-recommends $missing >/dev/null
