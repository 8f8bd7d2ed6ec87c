package diag

// TCPInfo is part of the kernel's struct tcp_info (linux/tcp.h).
type TCPInfo struct {
	// RTT and RTTVar are smoothed round-trip time and its deviation.
	RTT    uint32 `json:"rtt_us"`
	RTTVar uint32 `json:"rtt_var_us"`
	// Sent counts bytes sent and acknowledged, Received bytes received.
	Sent        uint64 `json:"sent_bytes"`
	Received    uint64 `json:"received_bytes"`
	Retransmits uint32 `json:"retransmits"`
	// IdleSend and IdleReceive are the times since data was last sent, received.
	IdleSend    uint32 `json:"idle_send_ms"`
	IdleReceive uint32 `json:"idle_receive_ms"`
	CongestionW uint32 `json:"congestion_window_segments"`
}
