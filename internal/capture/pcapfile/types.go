package pcapfile

import (
	"net/netip"
	"time"
)

// LinkType is the format of the packets of an interface, a LINKTYPE_ value of
// https://www.tcpdump.org/linktypes.html.
type LinkType uint16

// Link types that occur on a machine's own interfaces.
const (
	LinkNull      LinkType = 0   // BSD loopback: the address family in the byte order of the host
	LinkEthernet  LinkType = 1   // also Linux's lo, with addresses of zeros
	LinkRaw       LinkType = 101 // IPv4 or IPv6, by its version field
	LinkLoop      LinkType = 108 // OpenBSD loopback: the address family in network byte order
	LinkLinuxSLL  LinkType = 113 // Linux "any" device
	LinkIPv4      LinkType = 228
	LinkIPv6      LinkType = 229
	LinkLinuxSLL2 LinkType = 276 // Linux "any" device, with the interface's index
)

// Record is one packet.
type Record struct {
	// Time is when the packet was captured. It is zero where the file does not
	// say: in Simple Packet Blocks.
	Time     time.Time
	LinkType LinkType
	// Interface is an index of [Reader.Interfaces], or what
	// [Writer.AddInterface] returned.
	Interface int
	// Data is what was captured of the packet.
	Data []byte
	// OrigLen is the number of bytes that the packet had, at least len(Data). A
	// [Writer] takes anything less than that, 0 for example, for len(Data).
	OrigLen  uint32
	Comments []string
	Flags    Flags
	// Dropped is the number of packets that were lost between this one and the
	// one before it on the same interface; 0 also where the file does not say.
	Dropped uint64
	// Processes are the processes that sent or received the packet. What this
	// package writes has the sender first, or zero for an unknown sender, and
	// receivers after it. Wireshark's dumpcap has those of the source address
	// first. A file with one process a packet has the sender.
	Processes []ProcessRef
}

// ProcessRef names a process, and a thread of it. A number is 0 if it is not
// known. [Reader.Process] finds what is known about the process.
type ProcessRef struct {
	PID, TID uint32
}

// Flags is what is known about how a packet was captured, as the Enhanced Packet
// Block Flags Word of pcapng has it.
type Flags uint32

// The flags that lodge uses.
const (
	Inbound  Flags = 1
	Outbound Flags = 2
	// ChecksumNotReady marks a packet whose checksum is left to the network
	// adapter, as those on lo are: it is wrong, and nothing is wrong with it.
	ChecksumNotReady Flags = 1 << 9
	// ChecksumValid marks a packet whose checksum was already verified.
	ChecksumValid Flags = 1 << 10
	// Segmented marks a packet that is several on the wire: GSO or GRO.
	Segmented Flags = 1 << 11
)

// Direction returns Inbound, Outbound, or 0 if it is not known.
func (f Flags) Direction() Flags {
	if d := f & 3; d != 3 {
		return d
	}
	return 0
}

// Section is the header of a part of a pcapng file: all up to the next header. A
// file that was not made by concatenation has one. A pcap file has one, empty.
type Section struct {
	Hardware, OS, Application string
	Comments                  []string
	BigEndian                 bool
}

// Interface is an interface that packets were captured on.
type Interface struct {
	// Section is an index of [Reader.Sections], and ID the interface's number in
	// this section. A [Writer] ignores both.
	Section, ID int

	LinkType LinkType
	// SnapLen is the number of bytes at which packets were cut, 0 for no limit.
	SnapLen uint32
	// Name is the name of the device: "lo". Filter is a pcap filter expression.
	Name, Description, Filter, Hardware, OS string
	Comments                                []string

	clock clock
}

// Process describes a process. What is not known is zero.
type Process struct {
	PID, PPID  uint32
	Name, Path string
	// Args is the command line.
	Args []string
	User string
	UID  uint32
	// HasUID reports that UID is known, as 0 is a user too.
	HasUID bool
	// UUID is that of the executable: 16 bytes, or none.
	UUID []byte
	// Started is when the process was started. With PID it identifies a process.
	Started  time.Time
	Comments []string
}

// Name has the names of an address.
type Name struct {
	Addr  netip.Addr
	Names []string
}

// SecretsTLS is the type of secrets that are lines of a TLS key log,
// https://datatracker.ietf.org/doc/draft-ietf-tls-keylogfile/.
const SecretsTLS = 0x544c534b

// Secrets are keys with which packets can be decrypted.
type Secrets struct {
	// Type is [SecretsTLS], or another value that the specification of pcapng
	// lists for the Decryption Secrets Block.
	Type     uint32
	Data     []byte
	Comments []string
}

// Statistics are the counters of an interface, from the start of the capture to
// Time. A file may have several for an interface, of which the last one counts.
type Statistics struct {
	Interface  int
	Time       time.Time
	Start, End time.Time // of the capture; zero if not known

	Received  Count // packets that came from the interface
	Dropped   Count // by the interface, for lack of resources
	Accepted  Count // by the filter
	OSDropped Count // by the operating system
	Delivered Count // to the capturing program
	Comments  []string
}

// Count is a number that may not be known.
type Count struct {
	N     uint64
	Known bool
}

// Known returns a number that is known.
func Known(n uint64) Count { return Count{n, true} }

// Counts says how much a [Reader] has read.
type Counts struct {
	Packets uint64
	// Skipped counts the blocks that are of no use here: of unknown types, and
	// Custom Blocks that are not processes.
	Skipped uint64
	// NotKept counts blocks without packets that were not kept, as there were
	// too many: processes, names, secrets, statistics.
	NotKept uint64
}
