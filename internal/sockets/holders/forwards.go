package holders

import (
	"net/netip"
	"strconv"
	"strings"
)

// ForwardsTo returns where a process hands on the connections that it takes, by its
// name and its arguments. It knows docker-proxy, which publishes a container's port
// (https://github.com/moby/moby/tree/master/cmd/docker-proxy).
func ForwardsTo(name, command string) (netip.AddrPort, bool) {
	if name != "docker-proxy" && !strings.HasPrefix(command, "docker-proxy ") && !strings.Contains(command, "/docker-proxy ") {
		return netip.AddrPort{}, false
	}
	var ip netip.Addr
	var port uint64
	var err, err2 error
	args := strings.Fields(command)
	for i := range args[:max(len(args)-1, 0)] {
		switch strings.TrimLeft(args[i], "-") {
		case "container-ip":
			ip, err = netip.ParseAddr(args[i+1])
		case "container-port":
			port, err2 = strconv.ParseUint(args[i+1], 10, 16)
		}
	}
	return netip.AddrPortFrom(ip, uint16(port)), err == nil && err2 == nil && ip.IsValid() && port != 0
}
