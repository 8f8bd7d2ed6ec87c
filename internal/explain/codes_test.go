package explain

import "lodge/internal/model"

// Code keeps the tables of the tests short.
type Code = model.Code

// The codes of causes. Programs compare them: they never change.
const (
	NobodyListens   Code = "nobody_listens"
	OtherAddress    Code = "listens_on_other_address"
	InHome          Code = "listens_in_home"
	InNamespace     Code = "listens_in_namespace"
	BoundOnly       Code = "bound_not_listening"
	ProcessDied     Code = "process_died"
	ProcessStopped  Code = "process_stopped"
	BacklogFull     Code = "backlog_full"
	FamilyOrder     Code = "family_order"
	ListensNow      Code = "listens_now"
	PortsExhausted  Code = "ephemeral_exhausted"
	NameUnknown     Code = "name_not_resolved"
	FirewallRule    Code = "firewall"
	NotLocal        Code = "not_local"
	ReusePortShared Code = "reuseport_shared"
	HeldByProcess   Code = "held_by_process"
	HeldInHome      Code = "held_in_home"
	TimeWait        Code = "time_wait"
	EphemeralTaken  Code = "ephemeral_taken"
	SelfConnected   Code = "self_connected"
	PrivilegedPort  Code = "privileged_port"
	FreeNow         Code = "free_now"
	LoopbackDown    Code = "loopback_down"
	NoRoute         Code = "no_route"
	CloseWait       Code = "close_wait"
	ForwardsNowhere Code = "forwards_nowhere"
	DescriptorsUsed Code = "descriptors_used_up"

	// Of Unix sockets.
	SocketMissing Code = "socket_missing"
	SocketStale   Code = "socket_stale"
	SocketDenied  Code = "socket_denied"
	NotASocket    Code = "not_a_socket"
	WrongType     Code = "wrong_socket_type"

	// Of lodge's own names.
	ServiceDown     Code = "service_not_running"
	ServiceStarting Code = "service_not_ready"
	NoSuchService   Code = "no_such_service"
	NotHTTP         Code = "not_http"
	OtherPort       Code = "served_on_other_port"
)
