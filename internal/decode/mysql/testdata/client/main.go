// Command client makes the traffic of go.pcap and compress.pcap with
// go-sql-driver: prepared statements with all kinds of values, values in pieces,
// errors, LOAD DATA LOCAL.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, options string) error {
	db, err := sql.Open("mysql", "go:sesame@tcp(127.0.0.1:3306)/shop?"+options)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer db.Close()
	c, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, `create temporary table kinds (a tinyint, b int unsigned, c bigint, d float,
		e double, f varchar(20), g blob, h datetime(6), i date, j time, k decimal(10,2), l json, m bit(8), n year)`); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	insert, err := c.PrepareContext(ctx, "insert into kinds values (?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	at := time.Date(2026, 8, 21, 12, 34, 56, 789000000, time.UTC)
	values := []any{-2, uint64(1 << 31), int64(1) << 40, 1.5, 2.25e-3, "tab\tand ünicode", []byte{0, 1, 0xff}, at, at,
		"-12:34:56", "1234.56", `{"a": 1}`, []byte{5}, 2026}
	for range 2 {
		if _, err := insert.ExecContext(ctx, values...); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
	}
	values[6] = []byte(strings.Repeat("long ", 200)) // is sent before the execution
	if _, err := insert.ExecContext(ctx, values...); err != nil {
		return fmt.Errorf("insert a long value: %w", err)
	}
	if _, err := insert.ExecContext(ctx, make([]any, len(values))...); err != nil {
		return fmt.Errorf("insert nulls: %w", err)
	}
	if err := insert.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	rows, err := c.QueryContext(ctx, "select * from kinds where b = ? or b is null", 1<<31)
	if err != nil {
		return fmt.Errorf("select: %w", err)
	}
	for rows.Next() {
	}
	rows.Close()

	if _, err := c.QueryContext(ctx, "select * from missing where a = ?", 1); err == nil {
		return errors.New("a missing table was read")
	}
	if _, err := c.ExecContext(ctx, "insert into items values (1, 'again', 1)"); err == nil {
		return errors.New("a key was inserted twice")
	}
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "update items set price = price + ? where id < ?", 1, 3); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if err := tx.Rollback(); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	mysql.RegisterReaderHandler("data", func() io.Reader { return strings.NewReader("1000\tone\t1\n1001\ttwo\t2\n") })
	if _, err := c.ExecContext(ctx, "load data local infile 'Reader::data' into table items"); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if _, err := c.ExecContext(ctx, "delete from items where id >= ?", 1000); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	rows, err = c.QueryContext(ctx, "select repeat('compress me ', 200)")
	if err != nil {
		return fmt.Errorf("select: %w", err)
	}
	return rows.Close()
}
