// Package bpf holds the eBPF programs, those that give a home its own localhost
// (home), those that know which process has which socket (live) and the one that
// gives out the packets of lo (tap): the C (src), the generated Go with the compiled object, loading, attaching, and
// probes of what this kernel can do. It is the only importer of cilium/ebpf.
//
// It decides nothing: which cgroups there are, who may have a home, and when
// it ends is package helper's; what the events mean is package ebpfhome's.
// The programs attach as links, so they are gone when the last descriptor of
// a link is closed. Nothing is pinned.
package bpf
