// Package tap makes records of packets: one for each request with its response,
// with the processes at both ends, whatever the packets' source is. An [Engine]
// takes packets, puts the connections together, has them decoded, and hands out
// [Record] values; [Account] says what was seen and what was lost on the way.
//
// The package reads no file and no clock. What it cannot know from packets, which
// process is at an end, it asks [Ends].
package tap
