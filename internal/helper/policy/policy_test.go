package policy

import "testing"

const (
	root    = 0
	alice   = 1000
	mallory = 1001
)

// Who may do what, to whose: every operation, each pair of users.
func TestWhoMay(t *testing.T) {
	type verdict struct{ own, other, rootOfOther bool }
	everyone, owner, ownerOrRoot := verdict{true, true, true}, verdict{true, false, false}, verdict{true, false, true}
	want := map[string]verdict{
		"hello":       everyone,
		"create_home": everyone,
		"enter":       owner,
		"remove_home": ownerOrRoot,
		"sweep":       ownerOrRoot,
		"listen_web":  owner,
		"set_hosts":   everyone,
		"owners":      everyone,
		"end_owners":  everyone,
		"tap":         everyone,
		"tap_rings":   owner,
		"tap_unix":    everyone,
		"tap_counts":  owner,
		"end_tap":     owner,

		"secrets":       everyone,
		"probe":         owner,
		"secret_counts": owner,
		"end_secrets":   owner,
	}
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.Op] {
			t.Errorf("%s has two rules", r.Op)
		}
		seen[r.Op] = true
		w, ok := want[r.Op]
		if !ok {
			t.Errorf("%s: say here who may do it", r.Op)
			continue
		}
		if got := (verdict{Allows(r.Op, alice, alice), Allows(r.Op, mallory, alice), Allows(r.Op, root, alice)}); got != w {
			t.Errorf("%s: %+v, want %+v", r.Op, got, w)
		}
		if !Allows(r.Op, root, root) {
			t.Errorf("%s: root may not do it to its own", r.Op)
		}
		if r.AtOnce < 1 || r.About == "" {
			t.Errorf("%+v: no bound, or it does not say about what", r)
		}
	}
	for op := range want {
		if !seen[op] {
			t.Errorf("%s has no rule", op)
		}
	}
	for _, op := range []string{"", "cancel", "dance"} {
		if Allows(op, root, root) {
			t.Errorf("%q is allowed without a rule", op)
		}
	}
}

func TestMayMove(t *testing.T) {
	for _, c := range []struct {
		caller uint32
		ids    [4]uint32
		want   bool
	}{
		{alice, [4]uint32{alice, alice, alice, alice}, true},
		{alice, [4]uint32{mallory, alice, alice, alice}, false},
		{alice, [4]uint32{alice, root, alice, alice}, false},
		{alice, [4]uint32{alice, alice, root, alice}, false},
		{alice, [4]uint32{alice, alice, alice, root}, false},
		{root, [4]uint32{alice, mallory, root, alice}, true},
	} {
		if got := MayMove(c.caller, c.ids); got != c.want {
			t.Errorf("user %d, %v: %v", c.caller, c.ids, got)
		}
	}
}

func TestSeesCommands(t *testing.T) {
	if !SeesCommands(alice, alice) || !SeesCommands(root, alice) || SeesCommands(alice, root) || SeesCommands(mallory, alice) {
		t.Error("command lines are told to their owner and to root")
	}
}

func TestSeesPackets(t *testing.T) {
	if !SeesPackets(root) || SeesPackets(alice) {
		t.Error("packets of all users are root's to see")
	}
}

func TestMayProbe(t *testing.T) {
	for _, c := range []struct {
		caller, owner, mode uint32
		want                Trust
	}{
		{root, alice, 0o777, Given},
		{root, root, 0o755, Given},
		{alice, alice, 0o777, Given},
		{alice, root, 0o755, Named},
		{alice, root, 0o4755, Named},
		{alice, root, 0o775, None},
		{alice, root, 0o757, None},
		{alice, mallory, 0o755, None},
	} {
		if got := MayProbe(c.caller, c.owner, c.mode); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if !SeesSecrets(root) || SeesSecrets(alice) {
		t.Error("secrets of all users are root's to see")
	}
}

func TestWebPort(t *testing.T) {
	for _, c := range []struct {
		port             uint16
		caller, reserved uint32
		allowed, known   bool
	}{
		{80, alice, 0, true, true},
		{443, alice, alice, true, true},
		{80, mallory, alice, false, true},
		{80, root, alice, false, true},
		{22, root, 0, false, false},
		{8080, alice, 0, false, false},
	} {
		if allowed, known := WebPort(c.port, c.caller, c.reserved); allowed != c.allowed || known != c.known {
			t.Errorf("%+v: %v, %v", c, allowed, known)
		}
	}
}
