package tap

import "lodge/internal/decode"

// losses are the bytes of a connection that were not decoded. A decoder tells all bytes of
// a message that it skips when the message begins; of these are counted as many as come,
// so that no more is lost than there was.
type losses struct {
	came, told, counted uint64
	reason              decode.LossReason // of what was told last
}

// came notes bytes that are given to the decoder, or that are missing before the next.
func (c *conn) came(n uint64) {
	c.losses.came += n
	c.countLost()
}

func (c *conn) lost(l decode.Loss) {
	m := c.engine.account.Decode.Lost
	v := m[l.Reason]
	v.Places++
	m[l.Reason] = v
	c.losses.told += uint64(max(0, l.Bytes))
	c.losses.reason = l.Reason
	c.countLost()
	c.unknown(l)
}

// countLost counts what was told and has come.
func (c *conn) countLost() {
	l := &c.losses
	n := min(l.told, l.came)
	if n <= l.counted {
		return
	}
	m := c.engine.account.Decode.Lost
	v := m[l.reason]
	v.Bytes += n - l.counted
	m[l.reason] = v
	l.counted = n
}
