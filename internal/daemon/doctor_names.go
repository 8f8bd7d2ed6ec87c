package daemon

import (
	"fmt"
	"os"

	"lodge/internal/home/hostsview"
	"lodge/internal/localapi"
)

// nameCapabilities reports what works of names here, each with its reason.
func (d *examiner) nameCapabilities() []localapi.Capability {
	return []localapi.Capability{d.webCapability(), d.hostCapability(), d.execCapability()}
}

func (d *examiner) webCapability() localapi.Capability {
	c := localapi.Capability{Name: "names over https", Status: "yes"}
	w := d.web
	switch {
	case w == nil || w.httpsPort == 0:
		c.Status, c.Reason = "no", "no port could be opened"
		if w != nil {
			c.Reason = w.reason
		}
	case w.httpsPort == 443 && w.httpPort == 80:
		c.Reason = "https://SERVICE.PROJECT.localhost, ports 443 and 80"
	case w.httpsPort == 443:
		c.Reason = fmt.Sprintf("port 443; not plain http: %s", w.reason)
	default:
		c.Reason = fmt.Sprintf("on port %d, because of: %s", w.httpsPort, w.reason)
		if os.Geteuid() != 0 {
			c.Hint = "sudo lodge setup, once, for ports 443 and 80"
		}
	}
	return c
}

func (d *examiner) hostCapability() localapi.Capability {
	c := localapi.Capability{Name: "names below .test on this machine", Status: "yes", Reason: "SERVICE.PROJECT.test, in the hosts file"}
	resolved, why := d.naming.status()
	switch {
	case resolved:
	case os.Geteuid() == 0 && d.cfg.HostsFile == "":
		c.Status, c.Reason, c.Hint = "no", "this daemon may change no hosts file", "LODGE_HOSTS=/etc/hosts in the environment that starts it, or: lodge setup"
	case len(d.naming.warnings()) > 0:
		c.Status, c.Reason, c.Hint = "no", why, `give the project another name: name = "..." in lodge.toml; what lodge exec starts has its own names`
	case os.Geteuid() != 0:
		c.Status, c.Reason, c.Hint = "no", why, "sudo lodge setup, once; until then what `lodge exec` starts has them"
	default:
		c.Status, c.Reason = "unknown", why
	}
	return c
}

func (d *examiner) execCapability() localapi.Capability {
	c := localapi.Capability{Name: "names below .test inside exec and run", Status: "yes", Reason: "a hosts file of the command's own"}
	if resolved, _ := d.naming.status(); resolved {
		c.Reason = "in the machine's hosts file"
		return c
	}
	if err := hostsview.Probe(d.cfg.Lodge); err != nil {
		c.Status, c.Reason = "no", err.Error()
		c.Hint = "user namespaces may be forbidden here: sysctl kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns"
	}
	return c
}
