// Package pcapfile reads capture files in the formats pcap and pcapng, and
// writes pcapng with the processes of each packet. It knows the files, not what
// is in the packets.
//
// Formats:
//   - pcap: https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/
//   - the modified pcap of Alexey Kuznetzov's libpcap patch, whose packet records
//     have eight bytes more: struct pcaprec_modified_hdr in
//     https://gitlab.com/wireshark/wireshark/-/blob/master/wiretap/libpcap.h
//   - pcapng: https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/, its
//     source in https://github.com/IETF-OPSAWG-WG/draft-ietf-opsawg-pcap
//   - link types: https://www.tcpdump.org/linktypes.html
//
// Processes are written as Wireshark 5 writes them. A process is a Custom Block
// of the Wireshark Foundation (Private Enterprise Number 32622), entry type 3,
// which has the body of the Process Information Block that is proposed in
// https://github.com/IETF-OPSAWG-WG/draft-ietf-opsawg-pcap/pull/209. It is
// described in https://wiki.wireshark.org/Development/PcapngCustom and in
// Wireshark's source, wiretap/pcapng-wireshark-custom.c, with the numbers of the
// options in wiretap/wtap_opttypes.h (OPT_PIB_NAME and following). A packet
// refers to processes with options epb_processid_threadid, which a reader
// matches with process blocks by process id and time, see [Reader.Process].
// Older Wiresharks ignore both; for them a packet can have comments.
//
// The package does no I/O but on the io.Reader or io.Writer that it is given.
// Files come from programs that are not trusted: a [Reader] never allocates a
// size that it read before the bytes are there, and keeps a bounded amount of
// what is not a packet.
package pcapfile
