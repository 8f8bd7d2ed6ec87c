// Command pgx makes the traffic of pgx.pcap: parameters and results in the
// binary format, batches, a transaction, COPY, and errors.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	c, err := pgx.Connect(ctx, "postgres://scram:sesame@127.0.0.1/shop?sslmode=disable&application_name=pgx")
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, `create temp table kinds (a int2, b int4, c int8, d float4, e float8, f bool, g text,
		h bytea, i uuid, j timestamp, k timestamptz, l numeric, m json, n jsonb, o int4[], p text[], q date,
		r interval, s inet)`); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	at := time.Date(2026, 8, 21, 12, 34, 56, 789000000, time.UTC)
	insert := `insert into kinds values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19)`
	number := pgtype.Numeric{Int: big.NewInt(-1234567890123), Exp: -5, Valid: true}
	values := []any{int16(-2), 42, int64(1) << 40, float32(1.5), 2.25e-3, true, "tab\tand ünicode", []byte{0, 1, 0xff},
		[16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, at, at, number, map[string]int{"a": 1},
		[]string{"x"}, []int32{1, -2, 3}, []string{"one", "two words", `quo"te`, ""}, at,
		pgtype.Interval{Months: 1, Days: 2, Microseconds: 3000000, Valid: true}, netip.MustParsePrefix("10.1.2.3/8")}
	for range 2 { // the second time the statement is prepared already
		if _, err := c.Exec(ctx, insert, values...); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
	}
	if _, err := c.Exec(ctx, insert, make([]any, len(values))...); err != nil {
		return fmt.Errorf("insert nulls: %w", err)
	}
	rows, err := c.Query(ctx, "select * from kinds where b = $1 or b is null order by b", 42)
	if err != nil {
		return fmt.Errorf("select: %w", err)
	}
	rows.Close()

	b := &pgx.Batch{}
	b.Queue("select $1::int4 + 1", 1)
	b.Queue("select 1 / $1::int4", 0)
	b.Queue("select $1::int4 + 2", 2)
	if err := c.SendBatch(ctx, b).Close(); err == nil {
		return errors.New("a division by zero succeeded")
	}

	tx, err := c.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"kinds"}, []string{"b", "g"},
		pgx.CopyFromRows([][]any{{int32(1), "a"}, {int32(2), "b"}, {int32(3), nil}})); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if err := tx.Rollback(ctx); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}

	if _, err := c.Exec(ctx, "selec $1", 1); err == nil {
		return errors.New("a syntax error succeeded")
	}
	if _, err := c.Exec(ctx, "update kinds set g = $1 where b = $2", pgx.QueryExecModeSimpleProtocol, "it's", 42); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if _, err := c.Exec(ctx, "delete from kinds where b = $1", pgx.QueryExecModeExec, 42); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := c.Ping(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return c.DeallocateAll(ctx)
}
