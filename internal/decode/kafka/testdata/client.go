// Command client makes the traffic of the captures in this directory, and is the
// broker for it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	switch part := os.Args[1]; part {
	case "franz":
		talk(ctx, kgo.ClientID("shop"))
	case "old":
		talk(ctx, kgo.ClientID("old"), kgo.MaxVersions(kversion.V0_11_0()))
	case "sasl":
		for _, m := range []sasl.Mechanism{
			plain.Auth{User: "app", Pass: "sesame"}.AsMechanism(),
			plain.Auth{User: "app", Pass: "guess"}.AsMechanism(),
			scram.Auth{User: "app", Pass: "sesame"}.AsSha256Mechanism(),
		} {
			c := must(kgo.NewClient(kgo.SeedBrokers("127.0.0.1:9092"), kgo.SASL(m), kgo.DisableClientMetrics()))
			fmt.Println(c.Ping(ctx))
			c.Close()
		}
	default:
		broker(part)
	}
}

func broker(part string) {
	o := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(9092), kfake.SeedTopics(2, "shop")}
	if part == "broker-sasl" {
		o = append(o, kfake.EnableSASL(), kfake.Superuser("PLAIN", "app", "sesame"), kfake.Superuser("SCRAM-SHA-256", "app", "sesame"))
	}
	must(kfake.NewCluster(o...))
	fmt.Println("ready")
	select {}
}

func talk(ctx context.Context, more ...kgo.Opt) {
	base := append([]kgo.Opt{kgo.SeedBrokers("127.0.0.1:9092"), kgo.RequestTimeoutOverhead(2 * time.Second)}, more...)
	c := must(kgo.NewClient(append(base, kgo.DefaultProduceTopic("shop"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.GzipCompression()))...))
	check(c.ProduceSync(ctx,
		&kgo.Record{Key: []byte("a"), Value: []byte(`{"order":1}`), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("abc")}}},
		&kgo.Record{Key: []byte("b"), Value: []byte(strings.Repeat("order 2 ", 300)), Partition: 1},
		&kgo.Record{Value: []byte("no key")},
	).FirstErr())
	a := kadm.NewClient(c)
	for range 2 {
		r := must(a.CreateTopics(ctx, 1, 1, map[string]*string{"retention.ms": kadm.StringPtr("1000")}, "made"))
		fmt.Println(r["made"].Err)
	}
	must(a.ListEndOffsets(ctx, "shop"))
	must(a.DescribeTopicConfigs(ctx, "shop"))
	must(a.ListGroups(ctx))
	c.Close()

	// A group of two readers, one after the other.
	for range 2 {
		g := must(kgo.NewClient(append(base, kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("shop"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.HeartbeatInterval(300*time.Millisecond), kgo.FetchMaxWait(200*time.Millisecond), kgo.DisableAutoCommit())...))
		poll, stop := context.WithTimeout(ctx, 2*time.Second)
		for n := 0; n < 3; {
			f := g.PollFetches(poll)
			if poll.Err() != nil {
				break
			}
			n += f.NumRecords()
		}
		stop()
		check(g.CommitUncommittedOffsets(ctx))
		g.Close()
	}

	// A transaction, an acknowledgement that is not waited for, a topic that is
	// not there.
	x := must(kgo.NewClient(append(base, kgo.TransactionalID("till"), kgo.DefaultProduceTopic("shop"))...))
	check(x.BeginTransaction())
	check(x.ProduceSync(ctx, kgo.StringRecord("in a transaction")).FirstErr())
	check(x.EndTransaction(ctx, kgo.TryCommit))
	x.Close()
	n := must(kgo.NewClient(append(base, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite(), kgo.DefaultProduceTopic("shop"))...))
	check(n.ProduceSync(ctx, kgo.StringRecord("unheard")).FirstErr())
	n.Close()
	u := must(kgo.NewClient(append(base, kgo.UnknownTopicRetries(0), kgo.DefaultProduceTopic("absent"))...))
	fmt.Println(u.ProduceSync(ctx, kgo.StringRecord("to nowhere")).FirstErr())
	u.Close()
}
