#!/bin/sh
# Runs as the first process of a lab node, already in its own network, mount and UTS namespace: gives the node its own
# /run, /etc, /opt, /var/lib and /var/log, then holds the namespaces open until its standard input ends, or for ever.
#   node-init.sh NAME DIRECTORY [forever]
set -eu
name=$1
directory=$2

hostname "$name"
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/lock /run/calico
mount --make-rshared /run
# Overlays: mount points and files that the agent makes exist in this node only.
for folder in /etc /opt /var/lib /var/log; do
  layer=$directory/layers$folder
  mkdir -p "$layer/upper" "$layer/work"
  mount -t overlay overlay -o "lowerdir=$folder,upperdir=$layer/upper,workdir=$layer/work" "$folder"
done
mkdir -p /var/lib/calico /etc/calico /etc/cni/net.d /opt/cni/bin /var/log/calico
ip link set lo up
echo ready
[ "${3:-}" = forever ] && exec sleep infinity >/dev/null 2>&1
exec cat >/dev/null
