#!/bin/bash
# The first process of a cluster's own process, mount and network namespaces: FOLDER NODE_ADDRESS CGROUP.
# It ends when its standard input does, and everything in the namespaces with it.
set -euo pipefail
folder=$1 address=$2 cgroup=$3

# What the components keep outside of the folders that they are given.
mount -t tmpfs tmpfs /run
mkdir -p "$folder"/var/{upper,work} "$folder"/sysctl
mount -t overlay overlay -o "lowerdir=/var,upperdir=$folder/var/upper,workdir=$folder/var/work" /var

# kubelet wants these settings of the whole machine, and would write them: it reads them as it wants them, and writes nothing.
while read -r setting value; do
  file=$folder/sysctl/${setting//\//-}
  echo "$value" > "$file"
  mount --bind "$file" "/proc/sys/$setting"
done <<'SETTINGS'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
SETTINGS

# A kubelet removes pods' cgroups that it does not know: each has a root of its own, in every hierarchy that there is.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p "/sys/fs/cgroup/$cgroup"
else
  for hierarchy in /sys/fs/cgroup/*/; do
    [ "$hierarchy" != /sys/fs/cgroup/unified/ ] || continue
    mkdir -p "$hierarchy$cgroup"
  done
  for file in cpuset.cpus cpuset.mems; do cat "/sys/fs/cgroup/cpuset/$file" > "/sys/fs/cgroup/cpuset/$cgroup/$file"; done
fi

# The node's address is on one end of a pair of its own. A call to a Service's address needs a route before it is rewritten.
modprobe -qa br_netfilter overlay || true
ip link set lo up
ip link add node0 type veth peer name node0x
ip addr add "$address/24" dev node0
ip link set node0 up
ip link set node0x up
ip route add default dev node0
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables

echo ready
# bash takes in the ends of orphans while it waits.
read -r _ || true
