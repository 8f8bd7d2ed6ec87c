package doctor

import (
	"fmt"
	"os"

	"lodge/internal/home/hostsview"
	"lodge/internal/localapi"
)

// nameCapabilities reports what works of names here, each with its reason.
func (o *Options) nameCapabilities() []localapi.Capability {
	return []localapi.Capability{o.webCapability(), o.hostCapability(), o.execCapability()}
}

func (o *Options) webCapability() localapi.Capability {
	c := localapi.Capability{Name: "names over https", Status: "yes"}
	https, http, reason := o.Web.Ports()
	switch {
	case https == 0:
		c.Status, c.Reason = "no", "no port could be opened"
		if reason != "" {
			c.Reason = reason
		}
	case https == 443 && http == 80:
		c.Reason = "https://SERVICE.PROJECT.localhost, ports 443 and 80"
	case https == 443:
		c.Reason = fmt.Sprintf("port 443; not plain http: %s", reason)
	default:
		c.Reason = fmt.Sprintf("on port %d, because of: %s", https, reason)
		if os.Geteuid() != 0 {
			c.Hint = "sudo lodge setup, once, for ports 443 and 80"
		}
	}
	return c
}

func (o *Options) hostCapability() localapi.Capability {
	c := localapi.Capability{Name: "names below .test on this machine", Status: "yes", Reason: "SERVICE.PROJECT.test, in the hosts file"}
	resolved, why := o.Names.Resolved()
	switch {
	case resolved:
	case os.Geteuid() == 0 && o.HostsFile == "":
		c.Status, c.Reason, c.Hint = "no", "this daemon may change no hosts file", "LODGE_HOSTS=/etc/hosts in the environment that starts it, or: lodge setup"
	case len(o.Names.Warnings()) > 0:
		c.Status, c.Reason, c.Hint = "no", why, `give the project another name: name = "..." in lodge.toml; what lodge exec starts has its own names`
	case os.Geteuid() != 0:
		c.Status, c.Reason, c.Hint = "no", why, "sudo lodge setup, once; until then what `lodge exec` starts has them"
	default:
		c.Status, c.Reason = "unknown", why
	}
	return c
}

func (o *Options) execCapability() localapi.Capability {
	c := localapi.Capability{Name: "names below .test inside exec and run", Status: "yes", Reason: "a hosts file of the command's own"}
	if resolved, _ := o.Names.Resolved(); resolved {
		c.Reason = "in the machine's hosts file"
		return c
	}
	if err := hostsview.Probe(o.Keeper); err != nil {
		c.Status, c.Reason = "no", err.Error()
		c.Hint = "user namespaces may be forbidden here: sysctl kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns"
	}
	return c
}
